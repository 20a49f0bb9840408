package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/router"
)

// FuzzRange: whatever a client sends, the span lies within the blob, and what is not understood is the
// whole of it.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=5-", "bytes=-5", "bytes=0-1,2-3", "bytes=-", "bytes=9-3", "BYTES = 1-2", "bytes=-0", "lines=1-2", "=", "bytes=1-99999999999999999999"} {
		f.Add(seed, int64(10))
		f.Add(seed, int64(0))
	}
	d := oci.DigestOf(oci.SHA256, nil)
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		r := &http.Request{Header: http.Header{"Range": {header}}}
		part, err := requestedRange(r, d, size)
		if err != nil {
			return
		}
		switch {
		case part.start < 0 || part.length < 0 || part.start > size || part.length > size-part.start:
			t.Errorf("%q of %d bytes is %+v", header, size, part)
		case !part.partial && (part.start != 0 || part.length != size):
			t.Errorf("%q of %d bytes is %+v and not partial", header, size, part)
		case part.partial && part.length == 0:
			t.Errorf("%q of %d bytes is a part of nothing", header, size)
		}
		if !part.partial {
			return
		}
		again := fmt.Sprintf("bytes=%d-%d", part.start, part.start+part.length-1)
		r.Header.Set("Range", again)
		if same, err := requestedRange(r, d, size); same != part || err != nil {
			t.Errorf("%q is %+v, and %q is %+v, %v", header, part, again, same, err)
		}
	})
}

// FuzzContentRange: what is accepted has a length of at least one and comes back as it was.
func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"0-0", "0-9", "5-4", "bytes 0-9/10", "bytes 0-9/*", "bytes */10", "-1", "1-", "0-0-0", " 0-1", "18446744073709551616-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, ok := parseContentRange(s)
		if !ok {
			return
		}
		if first < 0 || last < first {
			t.Errorf("%q is %d to %d", s, first, last)
		}
		for _, again := range []string{fmt.Sprintf("%d-%d", first, last), fmt.Sprintf("bytes %d-%d/*", first, last)} {
			if a, b, ok := parseContentRange(again); a != first || b != last || !ok {
				t.Errorf("%q is %d to %d, and %q is %d to %d, %t", s, first, last, again, a, b, ok)
			}
		}
	})
}

// FuzzPath: no path and no query panics, what is parsed has only values that are whole, and its own
// path leads to the same again.
func FuzzPath(f *testing.F) {
	digest := oci.DigestOf(oci.SHA256, nil).String()
	for _, path := range []string{
		"/", "", "/v2/", "/v2", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/b/manifests/v1", "/v2/a/manifests/" + digest, "/v2/a/blobs/" + digest,
		"/v2/a/blobs/uploads/", "/v2/a/blobs/uploads", "/v2/a/blobs/uploads/id", "/v2/a/referrers/" + digest, "/v2//tags/list", "/v2/%2f/manifests/x",
		"/v2/blobs/uploads/blobs/uploads/", "/metrics", "/healthz",
	} {
		for _, method := range []string{"GET", "PUT", "POST", "PATCH", "DELETE"} {
			f.Add(method, path, "n=1&last=a&tag=x&digest="+digest+"&mount="+digest+"&from=a&artifactType=t")
		}
	}
	api := newAPI(nil, &denier{})
	f.Fuzz(func(t *testing.T, method, path, rawQuery string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: rawQuery}, Header: http.Header{}}
		req, routed := routeOf(r)
		if !routed {
			return
		}
		at, found := split(r)
		if _, elsewhere := api.operation(everyRoute).Split(r); elsewhere {
			return
		}
		if !found {
			t.Fatalf("%s %q is routed and not split", method, path)
		}
		if named := at.Resource >= tagsResource && at.Resource <= referrersResource; named == req.Namespace.IsZero() {
			t.Errorf("%s %q has the namespace %q", method, path, req.Namespace)
		}
		if req.Action == "" || at.Resource == manifestResource && req.Reference.IsZero() {
			t.Errorf("%s %q is %+v", method, path, req)
		}
		rebuilt := rebuild(at)
		if rebuilt == "" {
			return
		}
		r.URL = &url.URL{Path: rebuilt, RawQuery: rawQuery}
		again, routed := routeOf(r)
		if !routed || fmt.Sprint(again) != fmt.Sprint(req) {
			t.Errorf("%s %q is %+v, and %q is %+v", method, path, req, rebuilt, again)
		}
	})
}

// routeOf is what authorization is asked about a request; false if it comes to no route.
func routeOf(r *http.Request) (access.Request, bool) {
	may := &denier{}
	newHandler(newAPI(&stranger{}, may), &stranger{}, may).ServeHTTP(httptest.NewRecorder(), r)
	if len(may.asked) == 0 {
		return access.Request{}, false
	}
	return may.asked[0].Request, true
}

// rebuild writes the path that was split.
func rebuild(at router.Path) string {
	kinds := map[router.Resource]string{
		tagsResource: "/tags/list", manifestResource: "/manifests/", blobResource: "/blobs/", uploadsResource: "/blobs/uploads/",
		uploadResource: "/blobs/uploads/", referrersResource: "/referrers/",
	}
	kind, named := kinds[at.Resource]
	if !named {
		return ""
	}
	return strings.Join([]string{"/v2/", at.Namespace, kind, at.Last}, "")
}
