package bench

import (
	"bytes"
	"context"
	"fmt"
)

const (
	fewTagsNamespace = "bench/few"
	blobsNamespace   = "bench/blobs"
)

// pulls is what the rows of small and large pulls read: the same on the subject and on the floor.
type pulls struct {
	*stage
	sreg, floor *server
	image       image
	small       []blob
	large       blob
}

func pullGroup(s *stage) group {
	p := &pulls{stage: s}
	return group{name: "pulls", setUp: p.setUp, rows: []row{
		{"manifest-get", "manifest GET by tag", limit{atMost, 1.3, "x floor"}, p.manifestGet},
		{"manifest-head", "manifest HEAD by tag", limit{atMost, 1.3, "x floor"}, p.manifestHead},
		{"blob-get-16k", "blob GET of 16 KiB, 32 clients", limit{atMost, 1.2, "x floor"}, p.smallBlobGet},
		{"blob-get-100m", "blob GET of 100 MiB", limit{atMost, 1.1, "x floor"}, p.largeBlobGet},
	}}
}

func (p *pulls) setUp(ctx context.Context) (err error) {
	if err := p.makeContent(); err != nil {
		return err
	}
	if p.sreg, err = p.start(ctx, p.programs.subject); err != nil {
		return err
	}
	if p.floor, err = p.start(ctx, p.programs.floor); err != nil {
		return err
	}
	for _, srv := range []*server{p.sreg, p.floor} {
		if err := p.fill(ctx, srv); err != nil {
			return fmt.Errorf("fill %s: %w", srv.name, err)
		}
	}
	return nil
}

func (p *pulls) makeContent() error {
	p.image = newImage(p.size.layer, 1)
	for i := range p.size.smallBlobs {
		p.small = append(p.small, blobOf(randomBytes(p.size.smallBlob, uint64(100+i))))
	}
	large, err := newBlobs(p.size.largeBlob, 2)
	if err != nil {
		return err
	}
	p.large, err = large.make(0)
	return err
}

// fill pushes the content, and reads one of each back: what is timed later is the right answer.
func (p *pulls) fill(ctx context.Context, srv *server) error {
	if err := fillTags(ctx, srv, fewTagsNamespace, p.image, p.size.fewTags); err != nil {
		return err
	}
	return srv.do(ctx, func(c *client) error {
		for _, b := range append(p.small, p.large) {
			if err := c.pushBlob(blobsNamespace, b); err != nil {
				return err
			}
		}
		if err := c.check(manifestPath(fewTagsNamespace, tagName(1)), p.image.digest); err != nil {
			return err
		}
		return c.check(blobPath(blobsNamespace, p.large.digest), p.large.digest)
	})
}

// check reads a body whole and hashes it.
func (c *client) check(path, digest string) error {
	var body bytes.Buffer
	if _, err := c.do(get(path), &body); err != nil {
		return err
	}
	if got := digestOf(body.Bytes()); got != digest {
		return fmt.Errorf("check %s: want %s, got %s", path, digest, got)
	}
	return nil
}

// versusFloor runs the same load on both.
func (p *pulls) versusFloor(ctx context.Context, l load) (figures, error) {
	return p.compare(ctx, timed{p.sreg, l}, timed{p.floor, l}, byWall)
}

func (p *pulls) manifestGet(ctx context.Context) (figures, error) {
	return p.versusFloor(ctx, repeat(someClients, p.size.gets, get(manifestPath(fewTagsNamespace, tagName(1)))))
}

func (p *pulls) manifestHead(ctx context.Context) (figures, error) {
	return p.versusFloor(ctx, repeat(someClients, p.size.gets, headOf(manifestPath(fewTagsNamespace, tagName(1)))))
}

func (p *pulls) smallBlobGet(ctx context.Context) (figures, error) {
	var requests []request
	for _, b := range p.small {
		requests = append(requests, get(blobPath(blobsNamespace, b.digest)))
	}
	return p.versusFloor(ctx, load{clients: manyClients, ops: p.size.gets, op: func(c *client, i int) error {
		_, err := c.do(requests[i%len(requests)], nil)
		return err
	}})
}

func (p *pulls) largeBlobGet(ctx context.Context) (figures, error) {
	return p.versusFloor(ctx, repeat(oneClient, p.size.largeGets, get(blobPath(blobsNamespace, p.large.digest))))
}
