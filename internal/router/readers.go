package router

import (
	"net/http"
	"slices"

	"github.com/sreg-project/sreg/internal/access"
)

// What pages of other sites are told that may read (Fetch standard, 3.2). The values are shared.
var (
	byOrigin    = []string{"Origin"}
	yes         = []string{"true"}
	readMethods = []string{"GET, HEAD"}
	readHeaders = []string{"Authorization, Accept, Range, If-None-Match, X-Request-Id"}
	tenMinutes  = []string{"600"}
	exposed     = []string{
		"Content-Length, Content-Range, Docker-Content-Digest, Docker-Distribution-Api-Version, Etag, Link, " +
			"Oci-Filters-Applied, Retry-After, Www-Authenticate, X-Request-Id",
	}
)

// share lets a page read the answer whose origin is one of the Readers, and says whether the request does no more than
// ask for that. What such a page may not do, to write, is for Origins.
// It gets no token by a password that the browser keeps, only by one that the page itself has.
func (rt *Router) share(w *Response, r *http.Request, action access.Action) (preflight bool) {
	if len(rt.Readers) == 0 {
		return false
	}
	header := w.Header()
	header["Vary"] = byOrigin // also where the answer is for no page: a cache must not give it to one
	origin := r.Header["Origin"]
	if len(origin) != 1 || !slices.Contains(rt.Readers, origin[0]) {
		return false
	}
	header["Access-Control-Allow-Origin"] = origin
	if action != access.GetToken {
		header["Access-Control-Allow-Credentials"] = yes
	}
	if r.Method != http.MethodOptions || r.Header["Access-Control-Request-Method"] == nil {
		header["Access-Control-Expose-Headers"] = exposed
		return false
	}
	header["Access-Control-Allow-Methods"] = readMethods
	header["Access-Control-Allow-Headers"] = readHeaders
	header["Access-Control-Max-Age"] = tenMinutes
	return true
}
