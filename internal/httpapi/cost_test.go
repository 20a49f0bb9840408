package httpapi_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// priced is a fixture in a bucket whose requests are counted.
type priced struct {
	*fixture
	counter *s3test.Counter
	name    string // of the service
}

func newPriced(t *testing.T, server *s3test.Server, redirect bool, ttl time.Duration) *priced {
	t.Helper()
	cfg, counter := s3test.Counted(t, server.Config(t))
	cfg.Redirect = redirect
	p := &priced{newFixture(t, settings{bucket: &cfg, metadataTTL: ttl}), counter, server.Name}
	p.client.CheckRedirect = neverFollow
	return p
}

// cost is how many requests something makes to S3.
func (p *priced) cost(do func()) int {
	p.counter.Take()
	do()
	total := 0
	for _, n := range p.counter.Take() {
		total += n
	}
	return total
}

// uploaded is what so many uploads cost less with conditional deletes, which minio has not: it is asked for the session
// once more before that is deleted.
func (p *priced) uploaded(uploads, cost int) int {
	if p.name == "minio" {
		return cost - uploads
	}
	return cost
}

// TestWhatAPushAndAPullCost counts the requests to S3 behind each request of a client, and compares them
// with the table of docs/s3.md.
func TestWhatAPushAndAPullCost(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/s3.md")
	must(t, err)
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		p := newPriced(t, server, true, 0)
		streaming := newPriced(t, server, false, 0)
		remembering := newPriced(t, server, true, time.Minute)
		rows := []struct {
			what string
			cost int
		}{
			{"the first manifest into a new namespace", p.cost(func() { p.pushManifest("app", "v0", ocitest.Index().Note("v0").Content) })},
		}
		add := func(what string, cost int) {
			rows = append(rows, struct {
				what string
				cost int
			}{what, cost})
		}
		add("an image: POST and PUT of a config and of a layer, PUT of the manifest by tag", p.uploaded(2, p.cost(func() {
			p.pushImage("app", "whole", "whole")
		})))
		add("a small blob: POST and PUT", p.uploaded(1, p.cost(func() { p.pushBlob("app", "config one") })))
		d := digestOf("layer one")
		add("a small blob: POST, PATCH and PUT", p.uploaded(1, p.cost(func() {
			path := p.start("app", "")
			p.chunk(path, "layer one", 0).wants(t, want{status: 202})
			p.finish(path, "", d).wants(t, want{status: 201})
		})))
		add("a blob that the namespace has: HEAD", p.cost(func() { p.head("/v2/app/blobs/"+d.String()).wants(t, want{status: 200}) }))
		add("a blob that the namespace has not: HEAD", p.cost(func() {
			p.head("/v2/app/blobs/"+digestOf("nothing").String()).wants(t, want{status: 404})
		}))
		add("a mount", p.cost(func() {
			p.do(call{method: "POST", path: "/v2/other/blobs/uploads/?mount=" + d.String() + "&from=app"}).wants(t, want{status: 201})
		}))
		image := ocitest.Image("one")
		m := image.Digest
		add("a manifest of a config and a layer, by tag", p.cost(func() { p.pushManifest("app", "v1", image.Content) }))

		add("a pull of a blob, redirected", p.cost(func() { p.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 307}) }))
		add("a pull of a manifest by digest, GET or HEAD", p.cost(func() { p.get("/v2/app/manifests/"+m.String()).wants(t, want{status: 200}) }))
		if cost := p.cost(func() { p.head("/v2/app/manifests/"+m.String()).wants(t, want{status: 200}) }); cost != 1 {
			t.Errorf("HEAD of a manifest by digest: %d requests, want as many as for GET", cost)
		}
		add("a pull of a manifest by tag, GET or HEAD", p.cost(func() { p.get("/v2/app/manifests/v1").wants(t, want{status: 200}) }))
		if cost := p.cost(func() { p.head("/v2/app/manifests/v1").wants(t, want{status: 200}) }); cost != 2 {
			t.Errorf("HEAD of a manifest by tag: %d requests, want as many as for GET", cost)
		}
		streaming.pushBlob("app", "layer one")
		add("a pull of a blob, streamed", streaming.cost(func() { streaming.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 200, body: "layer one"}) }))
		remembering.pushManifest("app", "v1", ocitest.Index().Content)
		remembering.get("/v2/app/manifests/v1").wants(t, want{status: 200})
		add("a manifest within metadata_cache_ttl", remembering.cost(func() { remembering.get("/v2/app/manifests/v1").wants(t, want{status: 200}) }))
		remembering.pushBlob("app", "layer one")
		remembering.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 307})
		add("a pull of a blob within metadata_cache_ttl, redirected", remembering.cost(func() { remembering.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 307}) }))
		add("a pull of a blob within metadata_cache_ttl, streamed", remembering.cost(func() {
			part := call{method: "GET", path: "/v2/app/blobs/" + d.String(), header: map[string]string{"Range": "bytes=0-4"}}
			remembering.do(part).wants(t, want{status: 206, body: "layer"})
		}))
		if cost := remembering.cost(func() { remembering.head("/v2/app/blobs/"+d.String()).wants(t, want{status: 200}) }); cost != 2 {
			t.Errorf("HEAD of a blob within metadata_cache_ttl: %d requests, want as many as ever: it is a promise", cost)
		}
		remembering.do(call{method: "DELETE", path: "/v2/app/blobs/" + d.String()}).wants(t, want{status: 202})
		remembering.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 404})
		add("a page of tags", p.cost(func() { p.get("/v2/app/tags/list?n=100").wants(t, want{status: 200}) }))

		var table strings.Builder
		for _, row := range rows {
			line := fmt.Sprintf("| %s | %d |", row.what, row.cost)
			fmt.Fprintln(&table, line)
			if !strings.Contains(string(page), line) {
				t.Errorf("docs/s3.md has not the line %q", line)
			}
		}
		t.Logf("requests to %s:\n%s", server.Name, &table)
	})
}
