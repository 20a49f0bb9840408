package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// TestThreatMemoryExhausted sends what made other registries grow. Its subtests run one after the
// other, and nothing runs beside them, because they look at the memory of the whole process.
func TestThreatMemoryExhausted(t *testing.T) {
	f := newFixture(t, settings{})
	subject := f.pushImage("app", "a", "v1")
	bounded := func(t *testing.T, limit int64, do func()) {
		t.Helper()
		if grown := allocated(do); grown > limit {
			t.Errorf("%d bytes were allocated, want at most %d", grown, limit)
		}
	}
	t.Run("a huge n", func(t *testing.T) {
		for _, path := range []string{"/v2/app/tags/list?n=9223372036854775807", "/v2/_catalog?n=9223372036854775807"} {
			bounded(t, 1<<20, func() { f.get(path).wants(t, want{status: 200}) })
		}
		f.get("/v2/_catalog?n="+strings.Repeat("9", 5000)).wants(t, want{status: 400})
	})
	t.Run("a huge manifest that announces its length", func(t *testing.T) {
		bounded(t, 1<<20, func() {
			status, err := f.rawStatus("PUT /v2/app/manifests/huge HTTP/1.1\r\nHost: r\r\nContent-Length: 1000000000000\r\n\r\n{")
			if err != nil || status != http.StatusRequestEntityTooLarge {
				t.Errorf("status %d, %v, want 413", status, err)
			}
		})
	})
	t.Run("a huge manifest that does not", func(t *testing.T) {
		bounded(t, 64<<20, func() { // of 4 MiB that are read at most, doubling as they come
			a := f.do(call{method: "PUT", path: "/v2/app/manifests/huge", body: io.LimitReader(endless{}, 4<<20+64<<10)})
			a.wants(t, want{status: 413, code: oci.CodeSizeInvalid})
		})
	})
	t.Run("a huge header", func(t *testing.T) {
		status, err := f.rawStatus("GET /v2/ HTTP/1.1\r\nHost: r\r\nX-Huge: " + strings.Repeat("x", 2<<20) + "\r\n\r\n")
		if err == nil && status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d, want 431", status)
		}
	})
	t.Run("many ids to wait for", func(t *testing.T) {
		bounded(t, 16<<20, func() {
			for i := range 200 {
				f.get(fmt.Sprintf("/v2/app/blobs/uploads/none%d", i)).wants(t, want{status: 404})
			}
		})
	})
	t.Run("deep JSON", func(t *testing.T) {
		for _, pair := range []struct{ begin, end string }{{"[", "]"}, {`{"a":`, "}"}} {
			deep := `{"x":` + strings.Repeat(pair.begin, 400_000) + "0" + strings.Repeat(pair.end, 400_000) + "}"
			bounded(t, 64<<20, func() {
				f.putManifest("app", "deep", ocitest.New("application/vnd.example+json", deep)).wants(t, want{status: 400, code: oci.CodeManifestInvalid})
			})
		}
	})
	t.Run("a body that stalls", func(t *testing.T) { f.stalledManifests(t) })
	t.Run("10,000 referrers", func(t *testing.T) { f.manyReferrers(t, subject, bounded) })
}

// manyReferrers have annotations so long that one answer cannot hold them all. They are pushed to the core, for it is
// their listing that is looked at.
func (f *fixture) manyReferrers(t *testing.T, subject ocitest.Manifest, bounded func(*testing.T, int64, func())) {
	const count, page = 10_000, 4 << 20
	f.pushBlob("app", "{}")
	manifest, note := ocitest.Referrer(subject, "application/vnd.example.sbom"), strings.Repeat("n", 600)
	pusher := registrytest.Pusher{To: f.registry}
	for i := range count {
		must(t, pusher.PushManifest(t.Context(), ocitest.Name("app"), manifest.Note(fmt.Sprint(i, note)).Content))
	}
	seen := map[string]bool{}
	path := "/v2/app/referrers/" + subject.Digest.String() + "?artifactType=application/vnd.example.sbom"
	for path != "" {
		var a answer
		bounded(t, 128<<20, func() { a = f.get(path) })
		if len(a.body) > page {
			t.Errorf("one answer has %d bytes, want at most %d", len(a.body), page)
		}
		for _, r := range a.referrers(t) {
			if seen[r.Digest] {
				t.Fatalf("%s stands on two pages", r.Digest)
			}
			seen[r.Digest] = true
		}
		path = strings.TrimSuffix(strings.TrimPrefix(a.header.Get("Link"), "<"), `>; rel="next"`)
	}
	if len(seen) != count {
		t.Errorf("the pages list %d referrers, want %d", len(seen), count)
	}
}

// stalledManifests begin and do not go on: what is kept for each is not what it announces.
func (f *fixture) stalledManifests(t *testing.T) {
	const clients = 50
	var conns []net.Conn
	grown := allocated(func() {
		for range clients {
			conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
			must(t, err)
			conns = append(conns, conn)
			_, err = fmt.Fprintf(conn, "PUT /v2/app/manifests/slow HTTP/1.1\r\nHost: r\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", 4<<20)
			must(t, err)
			// The server asks for the body when the handler begins to read it.
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.Contains(line, "100 Continue") {
				t.Fatalf("answer %q, %v, want 100 Continue", line, err)
			}
		}
	})
	for _, conn := range conns {
		must(t, conn.Close())
	}
	if limit := int64(clients) * (256 << 10); grown > limit {
		t.Errorf("%d clients that sent nothing cost %d bytes, want at most %d", clients, grown, limit)
	}
}

// rawStatus sends bytes as they are.
func (f *fixture) rawStatus(request string) (int, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := io.Copy(conn, bytes.NewReader([]byte(request))); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

// allocated is how many bytes were allocated while do ran, freed or not.
func allocated(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
