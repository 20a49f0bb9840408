package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// atOnce is how many clients ask at once in the tests below, and mostMemory what they may take together, in bytes.
const (
	clientsAtOnce = 100
	mostMemory    = 256 << 20
)

// TestThreatMemoryExhaustedByManifests: many large manifests at once, each made of very many small parts. Nothing runs
// beside it, because it looks at the memory of the whole process.
func TestThreatMemoryExhaustedByManifests(t *testing.T) {
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	for _, tt := range []struct {
		name   string
		slow   bool
		body   func() []byte
		status int
	}{
		{"annotations", false, filled(`{"schemaVersion":2,"manifests":[],"annotations":{`, func(i int) string { return fmt.Sprintf(`"%x":"",`, i) }, `}}`), http.StatusBadRequest},
		{"one annotation", true, filled(`{"schemaVersion":2,"manifests":[],"annotations":{"a":"`, func(int) string { return "aaaaaaaa" }, `"}}`), http.StatusCreated},
		{"one annotation of a referrer", true, filled(`{"schemaVersion":2,"manifests":[],"subject":`+tiny+`,"annotations":{"a":"`, func(int) string { return "aaaaaaaa" }, `"}}`), http.StatusBadRequest},
		{"members", true, filled(`{"schemaVersion":2,"manifests":[],`, func(i int) string { return fmt.Sprintf(`"%x":0,`, i) }, `}`), http.StatusBadRequest},
		{"URLs", true, filled(`{"schemaVersion":2,"config":`+tiny+`,"layers":[{`+tiny[1:len(tiny)-1]+`,"urls":[`, func(int) string { return `"",` }, `]}]}`), http.StatusNotFound},
		{"descriptors", true, filled(`{"schemaVersion":2,"manifests":[`, func(int) string { return tiny + "," }, `]}`), http.StatusNotFound},
		{"annotations of descriptors", true, filled(`{"schemaVersion":2,"manifests":[`, func(int) string { return `{"annotations":{"a":""},"platform":{},` + tiny[1:] + "," }, `]}`), http.StatusNotFound},
	} {
		if tt.slow && !slowSet() {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			body := tt.body()
			f.stayBelow(t, func() {
				put := func() answer {
					return f.do(call{method: "PUT", path: "/v2/app/manifests/large", body: bytes.NewReader(body)})
				}
				a := put()
				for a.status == http.StatusServiceUnavailable { // it waited for the others as long as one may, and is to try again
					a = put()
				}
				if a.status != tt.status {
					t.Errorf("status %d, want %d: %.200s", a.status, tt.status, a.body)
				}
			})
		})
	}
}

// slowSet says that the slow tests run, too.
func slowSet() bool { return os.Getenv("SREG_TEST_ALL") == "1" }

// tiny is a descriptor with no more than it must have.
const tiny = `{"mediaType":"a/b","size":0,"digest":"` + unknown + `"}`

// filled makes a body of as many parts as a manifest may have bytes for. The last comma is left out.
func filled(begin string, part func(i int) string, end string) func() []byte {
	return func() []byte {
		const size = 4 << 20
		body := append(make([]byte, 0, size), begin...)
		for i := 0; ; i++ {
			next := part(i)
			if len(body)+len(next)+len(end) > size {
				return append(bytes.TrimSuffix(body, []byte{','}), end...)
			}
			body = append(body, next...)
		}
	}
}

// TestThreatMemoryExhaustedByReferrers: many ask at once for referrers with as many annotations as may be pushed.
func TestThreatMemoryExhaustedByReferrers(t *testing.T) {
	f := newFixture(t, settings{})
	subject := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	length := 60 << 10
	if slowSet() {
		length = 250 << 10
	}
	pusher := registrytest.Pusher{To: f.registry}
	for i := range 60 {
		m := ocitest.Referrer(subject, "application/vnd.example.sbom").Note(fmt.Sprint(i, strings.Repeat("n", length)))
		must(t, pusher.PushManifest(t.Context(), ocitest.Name("app"), m.Content))
	}
	path := "/v2/app/referrers/" + subject.Digest.String()
	for name, query := range map[string]string{"all": "", "with a filter": "?artifactType=application/vnd.example.sbom", "none": "?artifactType=a/b"} {
		if name != "with a filter" && !slowSet() {
			continue
		}
		t.Run(name, func(t *testing.T) { f.stayBelow(t, func() { f.swallow(t, path+query) }) })
	}
}

// swallow gets an answer and keeps nothing of it: what a client holds is not the server's.
func (f *fixture) swallow(t *testing.T, path string) {
	t.Helper()
	response, err := f.client.Get(f.url + path)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err != nil || n == 0 || response.StatusCode != http.StatusOK {
		t.Errorf("got status %d and %d bytes, error %v", response.StatusCode, n, err)
	}
}

// stayBelow lets many do something at once, and sees how much memory is in use meanwhile. The garbage that the collector
// of Go leaves for a while is kept small, so that what is measured is what is needed.
func (f *fixture) stayBelow(t *testing.T, do func()) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	done := make(chan struct{})
	var peak uint64
	var watch, clients sync.WaitGroup
	watch.Go(func() { // ends when done is closed
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		often := time.NewTicker(time.Millisecond)
		defer often.Stop()
		for {
			metrics.Read(heap)
			peak = max(peak, heap[0].Value.Uint64())
			select {
			case <-done:
				return
			case <-often.C:
			}
		}
	})
	for range clientsAtOnce {
		clients.Go(do)
	}
	clients.Wait()
	close(done)
	watch.Wait()
	t.Logf("%d MiB at once", peak>>20)
	if peak > mostMemory {
		t.Errorf("%d clients at once took %d MiB, want at most %d", clientsAtOnce, peak>>20, mostMemory>>20)
	}
}
