package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// The tests of this file try what registries were attacked with before; docs/security.md lists the
// classes by the same names. Those that need identities, upstreams or an S3 store are with those parts.

func TestThreatBlobOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	const secret = "layer secret"
	f.pushImage("victim", "secret", "v1")
	d := digestOf(secret).String()
	f.pushImage("attacker", "a", "v1")

	readable := func(t *testing.T) {
		t.Helper()
		notThere := want{status: 404, code: oci.CodeBlobUnknown}
		f.get("/v2/attacker/blobs/"+d).wants(t, notThere)
		f.head("/v2/attacker/blobs/"+d).wants(t, notThere)
		f.do(call{method: "GET", path: "/v2/attacker/blobs/" + d, header: map[string]string{"Range": "bytes=0-3"}}).wants(t, notThere)
		f.do(call{method: "GET", path: "/v2/attacker/blobs/" + d, header: map[string]string{"If-None-Match": `"` + d + `"`}}).wants(t, notThere)
		f.delete("/v2/attacker/blobs/"+d).wants(t, notThere)
	}
	readable(t)
	for name, query := range map[string]string{"a mount without from": "", "a mount from myself": "&from=attacker", "a mount from nowhere": "&from=nowhere"} {
		t.Run(name, func(t *testing.T) {
			f.do(call{method: "POST", path: "/v2/attacker/blobs/uploads/?mount=" + d + query}).wants(t, want{status: 202})
			readable(t)
		})
	}
	t.Run("a manifest that names it", func(t *testing.T) {
		f.pushBlob("attacker", "config secret")
		f.putManifest("attacker", "v2", ocitest.Image("secret").Content).wants(t, want{status: 404, code: oci.CodeManifestBlobUnknown})
		readable(t)
	})
	t.Run("a manifest that names it, where missing references are allowed", func(t *testing.T) {
		f := f.again(settings{config: func(c *registry.Config) { c.MissingReferences = "allow" }})
		f.pushManifest("attacker", "v2", ocitest.Image("secret").Content)
		f.get("/v2/attacker/blobs/"+d).wants(t, want{status: 404, code: oci.CodeBlobUnknown})
		readable(t)
	})
	t.Run("an upload of nothing that claims it", func(t *testing.T) {
		f.finish(f.start("attacker", ""), "", digestOf(secret)).wants(t, want{status: 400, code: oci.CodeDigestInvalid})
		readable(t)
	})
	t.Run("a manifest of another namespace", func(t *testing.T) {
		m := ocitest.Image("secret").Digest.String()
		f.get("/v2/other/manifests/"+m).wants(t, want{status: 404, code: oci.CodeManifestUnknown})
		f.putManifest("other", "v1", ocitest.Index(ocitest.Image("secret")).Content).
			wants(t, want{status: 404, code: oci.CodeManifestBlobUnknown})
	})
	f.wantBlob(t, "victim", secret)
}

// TestThreatAccessSurvivesADelete reads before, so that every cache is warm, and asks a second process
// that shares the store, too.
func TestThreatAccessSurvivesADelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushImage("a", "a", "v1").Digest
	f.pushImage("b", "a", "v1")
	second := f.again(settings{})
	layer := "/blobs/" + digestOf("layer a").String()
	paths := []string{"/v2/a/manifests/v1", "/v2/a/manifests/" + d.String(), "/v2/a" + layer}
	for range 3 {
		for _, path := range paths {
			f.get(path).wants(t, want{status: 200})
			second.get(path).wants(t, want{status: 200})
		}
	}
	f.delete("/v2/a/manifests/"+d.String()).wants(t, want{status: 202})
	f.delete("/v2/a"+layer).wants(t, want{status: 202})
	for range 2 {
		f.get("/v2/b/manifests/v1").wants(t, want{status: 200})
		f.get("/v2/b"+layer).wants(t, want{status: 200})
		for _, path := range paths {
			f.get(path).wants(t, want{status: 404})
			second.get(path).wants(t, want{status: 404})
			f.head(path).wants(t, want{status: 404})
			f.do(call{method: "GET", path: path, header: map[string]string{"If-None-Match": "*"}}).wants(t, want{status: 404})
			f.do(call{method: "GET", path: path, header: map[string]string{"Range": "bytes=0-1"}}).wants(t, want{status: 404})
		}
	}
}

// TestThreatAccessSurvivesADeleteInABucket: what may be answered from memory ends with the delete, too.
func TestThreatAccessSurvivesADeleteInABucket(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for _, tt := range []struct {
		name     string
		redirect bool
		ttl      time.Duration
		status   int // of a blob that is there
	}{
		{"redirected, from memory", true, time.Minute, 307},
		{"streamed, from memory", false, time.Minute, 200},
		{"redirected, by a look", true, 0, 307},
		{"streamed, by a look", false, 0, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newPriced(t, server, tt.redirect, tt.ttl)
			d := f.pushImage("a", "a", "v1").Digest
			f.pushImage("b", "a", "v1")
			layer, manifest := "/blobs/"+digestOf("layer a").String(), "/manifests/"+d.String()
			for range 2 {
				f.get("/v2/a"+layer).wants(t, want{status: tt.status})
				f.get("/v2/a"+manifest).wants(t, want{status: 200})
			}
			f.delete("/v2/a"+manifest).wants(t, want{status: 202})
			f.delete("/v2/a"+layer).wants(t, want{status: 202})
			for range 2 {
				f.get("/v2/b"+layer).wants(t, want{status: tt.status})
				for _, path := range []string{"/v2/a" + layer, "/v2/a" + manifest, "/v2/a/manifests/v1"} {
					f.get(path).wants(t, want{status: 404})
					f.head(path).wants(t, want{status: 404})
				}
			}
		})
	}
}

// TestThreatRightsGuessedFromTheVerb: who may create a tag but not overwrite it finds no way around.
func TestThreatRightsGuessedFromTheVerb(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: immutableTags()})
	first := f.pushImage("app", "a", "v1")
	second := f.pushImage("app", "b", "first-b")
	denied := want{status: http.StatusConflict, code: oci.CodeDenied}
	for name, c := range map[string]call{
		"by tag":                 {method: "PUT", path: "/v2/app/manifests/v1"},
		"by digest with a tag":   {method: "PUT", path: "/v2/app/manifests/" + second.Digest.String() + "?tag=v1"},
		"by digest with tags":    {method: "PUT", path: "/v2/app/manifests/" + second.Digest.String() + "?tag=new&tag=v1"},
		"by an encoded tag":      {method: "PUT", path: "/v2/app/manifests/%76%31"},
		"by an encoded tag=":     {method: "PUT", path: "/v2/app/manifests/" + second.Digest.String() + "?t%61g=%76%31"},
		"by a sha512 digest":     {method: "PUT", path: "/v2/app/manifests/" + digest512Of(second.Text).String() + "?tag=v1"},
		"by a digest of another": {method: "PUT", path: "/v2/app/manifests/" + digest512Of(first.Text).String() + "?tag=v1"},
	} {
		t.Run(name, func(t *testing.T) {
			c.body, c.header = strings.NewReader(second.Text), map[string]string{"Content-Type": oci.MediaTypeImageManifest}
			if strings.Contains(name, "of another") {
				c.body = strings.NewReader(first.Text) // the same manifest, and another digest: another value
			}
			f.do(c).wants(t, denied)
			f.get("/v2/app/manifests/v1").wants(t, want{status: 200, body: first.Text, header: map[string]string{"Docker-Content-Digest": first.Digest.String()}})
		})
	}
	t.Run("by racing pushes", func(t *testing.T) {
		var wg sync.WaitGroup
		answers := make([]answer, 16)
		for i := range answers {
			wg.Go(func() {
				answers[i] = f.putManifest("app", "raced", ocitest.Index().Note(fmt.Sprint(i)).Content)
			})
		}
		wg.Wait()
		won := 0
		for _, a := range answers {
			if a.status == http.StatusCreated {
				won++
				continue
			}
			a.wants(t, denied)
		}
		if won != 1 {
			t.Errorf("%d pushes of one immutable tag were acknowledged, want 1", won)
		}
	})
}

// TestThreatImmutableTagReplacedInADelete pushes an immutable tag when a delete by digest has found none, and another
// image to it when the manifest is gone.
func TestThreatImmutableTagReplacedInADelete(t *testing.T) {
	t.Parallel()
	store := &deleting{}
	f := newFixture(t, settings{config: immutableTags("plain"), wrap: func(s storage.Store) storage.Store {
		store.Store = s
		return store
	}})
	one, two := f.pushImage("app", "a", "plain"), f.pushImage("app", "b", "other")
	denied := want{status: http.StatusConflict, code: oci.CodeDenied}
	store.before = func() { f.putManifest("app", "v1", one.Content).wants(t, want{status: http.StatusCreated}) }
	store.after = func() { f.putManifest("app", "v1", two.Content).wants(t, denied) }
	f.delete("/v2/app/manifests/"+one.Digest.String()).wants(t, denied)
	for _, reference := range []string{"v1", "plain", one.Digest.String()} {
		f.get("/v2/app/manifests/"+reference).wants(t, want{status: 200, body: one.Text})
	}
	f.putManifest("app", "v1", two.Content).wants(t, denied)
	f.holds(t)
}

// deleting is a Store that does something around the first removal of a revision.
type deleting struct {
	storage.Store
	before, after func()
}

func (d *deleting) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	before, after := d.before, d.after
	if before == nil || !strings.Contains(key, "/_manifests/revisions/") {
		return d.Store.Delete(ctx, key, opts)
	}
	d.before = nil
	before()
	err := d.Store.Delete(ctx, key, opts)
	after()
	return err
}

// TestThreatReferencesJudgedByWhereTheyStand: an index may name blobs that the namespace holds, as BuildKit's cache does,
// and no others.
func TestThreatReferencesJudgedByWhereTheyStand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushBlob("other", "layer cached")
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":12}]}`,
		oci.MediaTypeImageIndex, d)
	index := ocitest.Content{MediaType: oci.MediaTypeImageIndex, Text: text, Digest: digestOf(text)}
	f.putManifest("app", "cache", index).wants(t, want{status: 404, code: oci.CodeManifestBlobUnknown})
	f.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 404, code: oci.CodeBlobUnknown})
	f.pushBlob("app", "layer cached")
	f.putManifest("app", "cache", index).wants(t, want{status: 201})
	f.get("/v2/app/manifests/cache").wants(t, want{status: 200, body: text})
	f.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 200, body: "layer cached"})
	f.get("/v2/app/manifests/"+d.String()).wants(t, want{status: 404, code: oci.CodeManifestUnknown})
	f.holds(t)
}

// TestThreatRightsGuessedFromADelete: who could delete an immutable tag could push it anew.
func TestThreatRightsGuessedFromADelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: immutableTags("latest")})
	image := f.pushImage("app", "a", "v1")
	f.pushManifest("app", "latest", image.Content)
	for _, reference := range []string{"v1", "%76%31", image.Digest.String()} {
		a := f.delete("/v2/app/manifests/" + reference)
		a.wants(t, want{status: http.StatusConflict, code: oci.CodeDenied})
		if !strings.Contains(a.body, "v1") {
			t.Errorf("body %s does not name the tag", a.body)
		}
		for _, tag := range []string{"v1", "latest"} {
			f.get("/v2/app/manifests/"+tag).wants(t, want{status: 200, body: image.Text})
		}
	}
	f.delete("/v2/app/manifests/latest").wants(t, want{status: 202})
	other := f.pushImage("app", "b", "latest").Digest
	f.delete("/v2/app/manifests/"+other.String()).wants(t, want{status: 202})
}

func TestThreatSwitchedOffActionByAnotherRoute(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushImage("app", "a", "v1").Digest
	f.pushImage("another", "of another", "v1")
	open := f.start("app", "")
	before := fmt.Sprint(f.keys(t))
	f = f.again(settings{config: func(c *registry.Config) { c.ReadOnly = true }})
	off := want{status: 405, code: oci.CodeUnsupported}
	for _, c := range everyWrite("app", d) {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			// A mount of what is there already writes nothing; it must not begin to.
			f.do(c).wants(t, off)
		})
	}
	f.do(call{method: "PATCH", path: open, body: strings.NewReader("x")}).wants(t, off)
	f.finish(open, tenBytes, digestOf(tenBytes)).wants(t, off)
	f.delete(open).wants(t, off)
	for _, path := range []string{"/v2/app/manifests/v1", "/v2/app/blobs/" + digestOf("layer a").String(), "/v2/app/tags/list", "/v2/_catalog", open} {
		if a := f.get(path); a.status >= 300 {
			t.Errorf("GET %s is %d in a read-only registry", path, a.status)
		}
	}
	if after := fmt.Sprint(f.keys(t)); after != before {
		t.Errorf("a read-only registry changed\n from %s\n to   %s", before, after)
	}
}

func TestThreatDigestTakenOnTrust(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	honest := digestOf("honest").String()
	wrong := want{status: 400, code: oci.CodeDigestInvalid}
	f.do(call{method: "POST", path: "/v2/app/blobs/uploads/?digest=" + honest, body: strings.NewReader("wicked")}).wants(t, wrong)
	f.finish(f.start("app", ""), "wicked", digestOf("honest")).wants(t, wrong)
	f.finish(f.start("app", "?digest-algorithm=sha512"), "wicked", digestOf("honest")).wants(t, wrong)
	path := f.start("app", "")
	f.chunk(path, "wicked", 0).wants(t, want{status: 202})
	f.do(call{method: "PUT", path: path + "?digest=" + honest, header: map[string]string{"Docker-Content-Digest": honest}}).wants(t, wrong)
	twice := "?digest=" + honest + "&digest=" + digestOf("wicked").String()
	f.do(call{method: "POST", path: "/v2/app/blobs/uploads/" + twice, body: strings.NewReader("wicked")}).wants(t, wrong)
	f.get("/v2/app/blobs/"+honest).wants(t, want{status: 404})
	f.putManifest("app", ocitest.Image("b").Digest.String(), ocitest.Image("a").Content).wants(t, wrong)
	f.putManifest("app", digest512Of(ocitest.Image("b").Text).String()+"?tag=v2", ocitest.Image("a").Content).wants(t, wrong)
	f.get("/v2/app/manifests/v2").wants(t, want{status: 404})
	f.holds(t)
}

func TestThreatTwoReadingsOfOneManifest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	image := ocitest.Image("a").Text + "\n" // the same, and not what is there
	layer, config := descriptorOf(ocitest.LayerType, "layer a"), descriptorOf(oci.MediaTypeImageConfig, "config a")
	for _, tt := range []struct{ name, mediaType, manifest string }{
		{"manifests beside layers", oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":` + config + `,"layers":[` + layer + `],"manifests":[]}`},
		{"layers beside manifests", oci.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"layers":[` + layer + `]}`},
		{"config beside manifests", oci.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"config":` + config + `}`},
		{"a key twice", oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":` + config + `,"layers":[],"layers":[` + layer + `]}`},
		{"a key twice, once escaped", oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":` + config + `,"layers":[],"l\u0061yers":[` + layer + `]}`},
		{"a key in another case", oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":` + config + `,"layers":[],"Layers":[` + layer + `]}`},
		{"a key in a case of Unicode", oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":` + config + `,"layers":[],"layer\u017f":[` + layer + `]}`},
		{"a key of a descriptor twice", oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":` + config + `,"layers":[` + strings.Replace(layer, "{", `{"size":1,`, 1) + `]}`},
		{"mediaType against Content-Type", oci.MediaTypeImageIndex, image},
		{"a Docker type against an OCI one", oci.MediaTypeDockerManifest, image},
		{"a type in another case", strings.ToUpper(oci.MediaTypeImageManifest), `{"schemaVersion":2,"config":` + config + `,"layers":[]}`},
		{"something behind the end", oci.MediaTypeImageManifest, image + `{}`},
		{"bytes that are no text", oci.MediaTypeImageManifest, strings.Replace(image, "schemaVersion", "schema\xffVersion", 1)},
		{"a byte order mark", oci.MediaTypeImageManifest, "\xef\xbb\xbf" + image},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f.putManifest("app", "two", ocitest.New(tt.mediaType, tt.manifest)).wants(t, want{status: 400, code: oci.CodeManifestInvalid})
			f.get("/v2/app/manifests/"+digestOf(tt.manifest).String()).wants(t, want{status: 404})
		})
	}
	t.Run("nobody guesses what a client reads", func(t *testing.T) {
		t.Parallel()
		f.get("/v2/app/manifests/v1").wants(t, want{status: 200, header: map[string]string{"Content-Type": oci.MediaTypeImageManifest}})
	})
}

// TestThreatScriptsInContent: a browser that is led to what somebody has pushed neither runs it nor shows it as a
// page of this registry.
func TestThreatScriptsInContent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	inert := map[string]string{"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
	const script = `{"schemaVersion":2,"x":"<script>alert(1)</script>"}`
	d := digestOf(script).String()
	for _, mediaType := range []string{
		"text/html", "TEXT/HTML", "text/plain", "image/svg+xml", "application/xhtml+xml", "application/xml", "text/xml",
		"application/javascript", "application/x-javascript", "text/javascript", "application/ecmascript", "multipart/x-mixed-replace",
	} {
		f.do(call{method: "PUT", path: "/v2/app/manifests/" + d, body: strings.NewReader(script), header: map[string]string{"Content-Type": mediaType}}).
			wants(t, want{status: 400, code: oci.CodeManifestInvalid, header: inert})
	}
	a := f.do(call{method: "PUT", path: "/v2/app/manifests/" + d, body: strings.NewReader(script), header: map[string]string{"Content-Type": "text/html"}})
	if !strings.Contains(a.body, "send Content-Type "+oci.MediaTypeImageManifest+" or "+oci.MediaTypeImageIndex) {
		t.Errorf("got %s, want what to send instead", a.body)
	}

	t.Run("stored before it was refused", func(t *testing.T) {
		harmless := map[string]string{"Content-Type": "application/vnd.example.page+json"}
		f.do(call{method: "PUT", path: "/v2/app/manifests/" + d, body: strings.NewReader(script), header: harmless}).wants(t, want{status: 201, header: inert})
		f.rewrite(t, harmless["Content-Type"], "text/html")
		f := f.again(settings{})
		f.get("/v2/app/manifests/"+d).wants(t, want{status: 200, body: script, header: map[string]string{
			"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
		}})
	})

	blob := f.pushBlob("app", "<script>alert(1)</script>").String()
	for _, path := range []string{
		"/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/blobs/" + blob, "/v2/app/referrers/" + blob, "/v2/<script>", "/token",
		"/v2/app/blobs/sha256:<script>", "/v2/app/manifests/absent",
	} {
		if a := f.get(path); a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("GET %s: got %v, want nosniff and sandbox", path, a.header)
		}
	}
}

// rewrite replaces a text in each record of the store.
func (f *fixture) rewrite(t *testing.T, from, to string) {
	t.Helper()
	for _, key := range f.keys(t) {
		value, err := f.store.Get(t.Context(), key)
		if err != nil || !strings.Contains(string(value.Data), from) {
			continue
		}
		if _, err := f.store.Put(t.Context(), key, []byte(strings.Replace(string(value.Data), from, to, 1)), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}
