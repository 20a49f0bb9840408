package router

import (
	"net/http"
	"strings"
)

// below is a request whose path begins where a proxy has put the registry, as if it had no such beginning. A proxy may
// have taken that away before.
func below(r *http.Request, path string) *http.Request {
	if path == "" {
		return r
	}
	rest, ok := strings.CutPrefix(r.URL.Path, path)
	if !ok || rest != "" && rest[0] != '/' {
		return r
	}
	copied, url := *r, *r.URL
	url.Path, url.RawPath = rest, strings.TrimPrefix(r.URL.RawPath, path)
	copied.URL = &url
	return &copied
}
