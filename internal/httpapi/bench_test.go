package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// The benchmarks call the handler without a network, so that what they show is the work of this
// package and of those below it.

// sink is a ResponseWriter that keeps nothing and allocates nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func (s *sink) ReadFrom(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }

// bench sends one request again and again.
func bench(b *testing.B, f *fixture, method, path string, status int) {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), method, path, nil)
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		f.handler.ServeHTTP(w, r)
		if w.status != status {
			b.Fatalf("status %d, want %d", w.status, status)
		}
	}
}

// settle waits until what is stored is old enough for the caches to rest on it. No call can set the
// time by which that is judged.
func (f *fixture) settle(b *testing.B) {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		info, err := f.store.Stat(b.Context(), "app/_manifests/tags/v1")
		must(b, err)
		if info.Settled {
			return
		}
		<-tick.C
	}
}

func BenchmarkGetManifestByTag(b *testing.B) {
	f := newHandlerWithImage(b)
	bench(b, f, "GET", "/v2/app/manifests/v1", 200)
}

// BenchmarkGetManifestUntracked shows beside BenchmarkGetManifestByTag what it costs to note a pull.
func BenchmarkGetManifestUntracked(b *testing.B) {
	f := newHandlerWithImage(b, func(c *registry.Config) { c.TrackPulls = false })
	bench(b, f, "GET", "/v2/app/manifests/v1", 200)
}

func BenchmarkHeadManifest(b *testing.B) {
	f := newHandlerWithImage(b)
	bench(b, f, "HEAD", "/v2/app/manifests/"+digestOf(imageOf("a")).String(), 200)
}

func BenchmarkGetBlob16K(b *testing.B) {
	f := newHandlerWithImage(b)
	content := strings.Repeat("x", 16<<10)
	f.send(b, "POST", "/v2/app/blobs/uploads/?digest="+digestOf(content).String(), content)
	b.SetBytes(int64(len(content)))
	bench(b, f, "GET", "/v2/app/blobs/"+digestOf(content).String(), 200)
}

func BenchmarkPutManifest(b *testing.B) {
	f := newHandlerWithImage(b)
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		body := imageOf("a") + strings.Repeat(" ", n%100)
		r := httptest.NewRequestWithContext(b.Context(), "PUT", "/v2/app/manifests/v1", strings.NewReader(body))
		r.Header.Set("Content-Type", oci.MediaTypeImageManifest)
		clear(w.header)
		f.handler.ServeHTTP(w, r)
		if w.status != http.StatusCreated {
			b.Fatalf("status %d, want 201", w.status)
		}
	}
}

func newHandlerWithImage(b *testing.B, set ...func(*registry.Config)) *fixture {
	b.Helper()
	f := newHandler(b, b.TempDir(), set...)
	for _, content := range []string{"config a", "layer a"} {
		f.send(b, "POST", "/v2/app/blobs/uploads/?digest="+digestOf(content).String(), content)
	}
	f.send(b, "PUT", "/v2/app/manifests/v1", imageOf("a"))
	f.settle(b)
	return f
}

func (f *fixture) send(b *testing.B, method, path, body string) {
	b.Helper()
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body)))
	if w.Code != http.StatusCreated {
		b.Fatalf("%s %s: status %d, %s", method, path, w.Code, w.Body)
	}
}
