package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
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
		s := &surface{fixture: newHandler(t, ""), script: script}
		for len(s.script) > 0 {
			s.request(t)
		}
		// Deletes may leave names of what is gone; they read as absent.
		registrytest.Check(t, registrytest.Subject{Registry: s.fixture.registry, Blobs: s.fixture.store, Metadata: s.fixture.store})
	})
}

// surface turns bytes into requests. Few names and contents, so that requests meet.
type surface struct {
	fixture  *fixture
	script   []byte
	sessions []string // paths that were answered
}

func (s *surface) next(n int) int {
	if len(s.script) == 0 {
		return 0
	}
	b := int(s.script[0])
	s.script = s.script[1:]
	return b % n
}

func (s *surface) pick(of ...string) string { return of[s.next(len(of))] }

func (s *surface) content() string {
	a, b := ocitest.Image("a"), ocitest.Image("b")
	return s.pick("config a", "layer a", "config b", "layer b", "{}", "", a.Text, b.Text, ocitest.Index(a).Text,
		ocitest.Referrer(a, "application/vnd.example.sbom").Text, "{", ocitest.Index().Text)
}

func (s *surface) digest() string {
	switch s.next(8) {
	case 0:
		return s.pick(unknown, "sha256:1", "md5:00", "", "sha512:")
	case 1:
		return digest512Of(s.content()).String()
	default:
		return digestOf(s.content()).String()
	}
}

func (s *surface) namespace() string { return s.pick("app", "team/app", "app", "A", "", "manifests") }

func (s *surface) tag() string {
	return s.pick("v1", "V1", "latest", "-", "a/b", "sha256-0", strings.Repeat("A", 128), strings.Repeat("a", 128))
}

func (s *surface) reference() string {
	if s.next(2) == 0 {
		return s.tag()
	}
	return s.digest()
}

func (s *surface) session() string {
	if len(s.sessions) == 0 || s.next(8) == 0 {
		return "/v2/" + s.namespace() + "/blobs/uploads/" + s.pick("none", "..", "")
	}
	return s.sessions[s.next(len(s.sessions))]
}

// request sends one request and looks at its answer.
func (s *surface) request(t *testing.T) {
	t.Helper()
	method, path, body, header := s.draw()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
	if s.next(4) == 0 {
		r.ContentLength = -1
	}
	for key, value := range header {
		r.Header.Set(key, value)
	}
	w := httptest.NewRecorder()
	s.fixture.handler.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		t.Fatalf("%s %s with %q and %.100q: status %d\n%s", method, path, header, body, w.Code, s.fixture.logs)
	}
	if w.Code == http.StatusAccepted && method == http.MethodPost {
		s.sessions = append(s.sessions, w.Header().Get("Location"))
	}
}

// draw reads one request from the script.
func (s *surface) draw() (method, path, body string, header map[string]string) {
	header = map[string]string{}
	ns := "/v2/" + s.namespace()
	switch s.next(14) {
	case 0, 1: // a blob in one request
		content := s.content()
		return "POST", ns + "/blobs/uploads/?digest=" + s.pick(digestOf(content).String(), digestOf(content).String(), s.digest()), content, header
	case 2, 3: // a manifest
		content := s.content()
		header["Content-Type"] = s.pick(oci.MediaTypeImageManifest, oci.MediaTypeImageManifest, oci.MediaTypeImageIndex, "", "application/vnd.example+json", "x")
		return "PUT", ns + "/manifests/" + s.pick(s.reference(), digestOf(content).String()+"?tag="+s.tag()), content, header
	case 4:
		return "POST", ns + "/blobs/uploads/" + s.pick("", "?mount="+s.digest(), "?mount="+s.digest()+"&from="+s.namespace()), "", header
	case 5, 6: // bytes of a session
		if s.next(2) == 0 {
			header["Content-Range"] = s.pick("0-3", "4-7", "x", "8-11", "bytes 0-3/4")
		}
		return "PATCH", s.session(), s.pick("0123", "4567", "", "config a"), header
	case 7:
		return "PUT", s.session() + "?digest=" + s.digest(), s.pick("", "0123", "layer a"), header
	case 8:
		return s.pick("DELETE", "GET", "HEAD"), s.session(), "", header
	case 9:
		return "DELETE", ns + "/manifests/" + s.reference(), "", header
	case 10:
		return "DELETE", ns + "/blobs/" + s.digest(), "", header
	case 11:
		header["Range"] = s.pick("bytes=0-1", "bytes=0-0,2-2", "bytes=-1", "bytes=99-", "")
		return s.pick("GET", "HEAD"), ns + s.pick("/blobs/"+s.digest(), "/manifests/"+s.reference()), "", header
	case 12:
		query := fmt.Sprintf("?n=%d&last=%s", s.next(4)-1, s.tag())
		return "GET", s.pick(ns+"/tags/list"+query, "/v2/_catalog"+query, ns+"/referrers/"+s.digest(), ns+"/tags/list"), "", header
	default:
		return s.pick("GET", "POST", "BREW"), s.pick("/", "/v2/", "/healthz", "/readyz", ns, ns+"/", "/v2//manifests/x"), "", header
	}
}
