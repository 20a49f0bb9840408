package bench

import (
	"context"
	"fmt"
)

const referrersNamespace = "bench/referrers"

// referrers is one subject that 500 artifacts refer to, beside one small manifest on the floor.
type referrers struct {
	*stage
	sreg, floor *server
	image       image
}

func referrersGroup(s *stage) group {
	r := &referrers{stage: s}
	return group{name: "referrers", setUp: r.setUp, rows: []row{
		{"referrers", "500 referrers of one subject, later requests", limit{atMost, 20, "x one floor request"}, r.list},
	}}
}

func (r *referrers) setUp(ctx context.Context) (err error) {
	r.image = newImage(r.size.layer, 1)
	if r.sreg, err = r.start(ctx, r.programs.subject); err != nil {
		return err
	}
	if r.floor, err = r.start(ctx, r.programs.floor); err != nil {
		return err
	}
	for _, srv := range []*server{r.sreg, r.floor} {
		if err := fillTags(ctx, srv, referrersNamespace, r.image, 1); err != nil {
			return err
		}
	}
	empty := blobOf([]byte("{}"))
	if err := r.sreg.do(ctx, func(c *client) error { return c.pushBlob(referrersNamespace, empty) }); err != nil {
		return fmt.Errorf("push the config of the referrers: %w", err)
	}
	_, err = r.sreg.measure(ctx, load{clients: someClients, ops: r.size.referrers, op: func(c *client, i int) error {
		manifest := newReferrer(r.image, empty, i)
		return c.pushManifest(referrersNamespace, digestOf(manifest), manifest)
	}})
	return err
}

func (r *referrers) list(ctx context.Context) (figures, error) {
	l := listing{
		path: "/v2/" + referrersNamespace + "/referrers/" + r.image.digest,
		key:  "manifests", want: r.size.referrers,
	}
	if err := r.sreg.do(ctx, func(c *client) error { return c.checkListing(l) }); err != nil {
		return figures{}, err
	}
	floor := get(manifestPath(referrersNamespace, tagName(0)))
	return r.compare(ctx,
		timed{r.sreg, repeat(oneClient, r.size.pages, get(l.path))},
		timed{r.floor, repeat(oneClient, r.size.gets/4, floor)}, byWall)
}
