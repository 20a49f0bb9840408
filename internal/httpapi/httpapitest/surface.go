package httpapitest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// Surface turns the bytes of a script into requests, one after the other. It has few names and contents, so that
// requests meet.
type Surface struct {
	Script []byte

	sessions []string // paths that were answered
}

// Draw is a request that a Surface makes up. It may be one that no client sends.
type Draw struct {
	Method, Path string // with a query
	Header       http.Header
	Body         string
	Chunked      bool // whether the length of the body is not said
}

func (d Draw) String() string {
	return fmt.Sprintf("%s %s with %q and %.100q", d.Method, d.Path, d.Header, d.Body)
}

func (s *Surface) next(n int) int {
	if len(s.Script) == 0 {
		return 0
	}
	b := int(s.Script[0])
	s.Script = s.Script[1:]
	return b % n
}

func (s *Surface) pick(of ...string) string { return of[s.next(len(of))] }

func (s *Surface) content() string {
	a, b := ocitest.Image("a"), ocitest.Image("b")
	return s.pick("config a", "layer a", "config b", "layer b", "{}", "", a.Text, b.Text, ocitest.Index(a).Text,
		ocitest.Referrer(a, "application/vnd.example.sbom").Text, "{", ocitest.Index().Text)
}

func (s *Surface) digest() string {
	switch s.next(8) {
	case 0:
		return s.pick("sha256:"+strings.Repeat("0", 64), "sha256:1", "md5:00", "", "sha512:")
	case 1:
		return oci.DigestOf(oci.SHA512, []byte(s.content())).String()
	default:
		return ocitest.DigestOf(s.content()).String()
	}
}

func (s *Surface) namespace() string { return s.pick("app", "team/app", "app", "A", "", "manifests") }

func (s *Surface) tag() string {
	return s.pick("v1", "V1", "latest", "-", "a/b", "sha256-0", strings.Repeat("A", 128), strings.Repeat("a", 128))
}

func (s *Surface) reference() string {
	if s.next(2) == 0 {
		return s.tag()
	}
	return s.digest()
}

func (s *Surface) session() string {
	if len(s.sessions) == 0 || s.next(8) == 0 {
		return "/v2/" + s.namespace() + "/blobs/uploads/" + s.pick("none", "..", "")
	}
	return s.sessions[s.next(len(s.sessions))]
}

// Next reads a request from the script, until that has ended.
func (s *Surface) Next() (d Draw, ok bool) {
	if len(s.Script) == 0 {
		return Draw{}, false
	}
	var header map[string]string
	d.Method, d.Path, d.Body, header = s.draw()
	d.Chunked = s.next(4) == 0
	d.Header = http.Header{}
	for key, value := range header {
		d.Header.Set(key, value)
	}
	return d, true
}

// Answered tells it how a request was answered: sessions that began are gone on with.
func (s *Surface) Answered(d Draw, status int, location string) {
	if status == http.StatusAccepted && d.Method == http.MethodPost {
		s.sessions = append(s.sessions, location)
	}
}

// draw reads one request from the script.
func (s *Surface) draw() (method, path, body string, header map[string]string) {
	header = map[string]string{}
	ns := "/v2/" + s.namespace()
	switch s.next(14) {
	case 0, 1: // a blob in one request
		content := s.content()
		return "POST", ns + "/blobs/uploads/?digest=" + s.pick(ocitest.DigestOf(content).String(), ocitest.DigestOf(content).String(), s.digest()), content, header
	case 2, 3: // a manifest
		content := s.content()
		header["Content-Type"] = s.pick(oci.MediaTypeImageManifest, oci.MediaTypeImageManifest, oci.MediaTypeImageIndex, "", "application/vnd.example+json", "x")
		return "PUT", ns + "/manifests/" + s.pick(s.reference(), ocitest.DigestOf(content).String()+"?tag="+s.tag()), content, header
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
