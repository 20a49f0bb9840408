package httpapi

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
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
