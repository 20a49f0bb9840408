package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// FuzzSurface reads its bytes as requests, one after the other, and sends them to an API: nothing
// panics, no answer is a 5xx, and the invariants hold afterwards. Its ids are random, so no two runs of
// one script cover the same lines: without -fuzzminimizetime 5x nearly all time goes into shortening.
func FuzzSurface(f *testing.F) {
	f.Add([]byte("a script of nothing in particular, long enough for some requests"))
	f.Add([]byte{0, 0, 0, 1, 1, 0, 2, 0, 0, 2, 1, 0, 3, 0, 0, 4, 0, 0, 5, 0, 0, 6, 0, 0})
	f.Add([]byte("\x00\x00\x00\x00\x00\x01\x00\x00\x02\x02\x00\x00\x02\x01\x01\x06\x00\x00\x02\x00\x00\x08\x00\x00\x0b\x00\x01"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 600 {
			script = script[:600]
		}
		f, surface := newHandler(t, ""), httpapitest.Surface{Script: script}
		for d, ok := surface.Next(); ok; d, ok = surface.Next() {
			a := f.send(t, d)
			surface.Answered(d, a.Code, a.Header().Get("Location"))
		}
		// Deletes may leave names of what is gone; they read as absent.
		registrytest.Check(t, registrytest.Subject{Registry: f.registry, Blobs: f.store, Metadata: f.store})
	})
}

// send sends a request to the handler and looks at its answer.
func (f *fixture) send(t *testing.T, d httpapitest.Draw) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), d.Method, "/", strings.NewReader(d.Body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(d.Path, "?")
	r.Header = d.Header
	if d.Chunked {
		r.ContentLength = -1
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		t.Fatalf("%s: status %d\n%s", d, w.Code, f.logs)
	}
	return w
}
