package httpapi

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/router"
)

// Header values that never change. The slices are shared, so nobody appends to them.
var (
	jsonType    = []string{"application/json"}
	octetStream = []string{"application/octet-stream"}
	bytesUnit   = []string{"bytes"}
	immutable   = []string{"private, max-age=31536000, immutable"}
	noCache     = []string{"no-cache"}
	zeroLength  = []string{"0"}
	minChunk    = []string{"1"} // any chunk is big enough
	oneByte     = []string{"0-0"}
)

// everyAnswer is what all answers have. What clients have pushed is theirs: no browser may take it for a page of
// this registry, whatever it says to be.
var everyAnswer = []router.HeaderField{
	{Name: "X-Content-Type-Options", Value: []string{"nosniff"}},
	{Name: "Content-Security-Policy", Value: []string{"default-src 'none'; sandbox"}},
}

// usually is what answers have, but those that send content.
var usually = []router.HeaderField{{Name: "Docker-Distribution-Api-Version", Value: []string{"registry/2.0"}}}

// setDigest writes the headers that name content by its digest.
func setDigest(w *router.Response, d oci.Digest) {
	w.Set("Docker-Content-Digest", d.String())
	w.Set("Etag", `"`+d.String()+`"`)
}

// setRange says how many bytes an upload holds. An empty one has 0-0, as of the Docker registry, which clients
// expect.
func setRange(header http.Header, size int64) {
	if size == 0 {
		header["Range"] = oneByte
		return
	}
	header["Range"] = []string{"0-" + strconv.FormatInt(size-1, 10)}
}

// notModified says whether the client has this content already (RFC 9110, 13.1.2).
func notModified(r *http.Request, d oci.Digest) bool {
	for _, line := range r.Header["If-None-Match"] {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(textproto.TrimString(tag), "W/")
			if tag == "*" || strings.Trim(tag, `"`) == d.String() {
				return true
			}
		}
	}
	return false
}
