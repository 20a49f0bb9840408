package router

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync/atomic"
)

// requestIDs gives requests their ids: a random beginning and a count.
type requestIDs struct {
	start string
	count *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return requestIDs{start: hex.EncodeToString(b[:]) + "-", count: new(atomic.Uint64)}
}

func (ids requestIDs) next() string {
	id := make([]byte, 0, 32)
	id = append(id, ids.start...)
	return string(strconv.AppendUint(id, ids.count.Add(1), 36))
}

// sentID is the id that a client, or a proxy in front, has given to a request.
func sentID(r *http.Request) string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && plain(given[0]) {
		return given[0]
	}
	return ""
}

// plain says that a client's id can stand in headers and logs as it is.
func plain(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':'
		if !ok {
			return false
		}
	}
	return true
}
