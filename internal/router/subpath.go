package router

import (
	"errors"
	"net/http"
	"strings"
)

// ErrOutside says that a path does not begin with the one below which a proxy has put the registry.
var ErrOutside = errors.New("the registry is below a path, with which this one does not begin")

// below is a request whose path begins where a proxy has put the registry, as if it had no such beginning; inside says
// that it has. The proxy must not take that away itself: each of the two would once, so whoever sends it twice would come
// past what the proxy forbids by path.
func below(r *http.Request, path string) (as *http.Request, inside bool) {
	if path == "" {
		return r, true
	}
	rest, ok := strings.CutPrefix(r.URL.Path, path)
	if !ok || rest != "" && rest[0] != '/' {
		return r, false
	}
	copied, url := *r, *r.URL
	url.Path, url.RawPath = rest, strings.TrimPrefix(r.URL.RawPath, path)
	copied.URL = &url
	return &copied, true
}
