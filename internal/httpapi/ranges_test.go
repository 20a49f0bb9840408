package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

// FuzzRange: whatever a client sends, the parts lie within the blob and apart from each other, and what is not understood
// is the whole of it.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{
		"bytes=0-0", "bytes=5-", "bytes=-5", "bytes=0-1,2-3", "bytes=8-9,0-1,4-4", "bytes=-", "bytes=9-3", "BYTES = 1-2", "bytes=-0", "lines=1-2", "=",
		"bytes=1-99999999999999999999", "bytes=0-1,,5-,-3",
	} {
		f.Add(seed, int64(10))
		f.Add(seed, int64(0))
	}
	d := oci.DigestOf(oci.SHA256, nil)
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		r := &http.Request{Header: http.Header{"Range": {header}}}
		parts, err := requestedRanges(r, d, size, maxRanges)
		if err != nil {
			return
		}
		if len(parts) == 1 && !parts[0].partial {
			if parts[0] != (span{length: size}) {
				t.Errorf("%q of %d bytes is %+v and not partial", header, size, parts)
			}
			return
		}
		var again []string
		for i, part := range parts {
			if !part.partial || part.start < 0 || part.length <= 0 || part.start >= size || part.length > size-part.start {
				t.Fatalf("%q of %d bytes is %+v", header, size, parts)
			}
			for _, other := range parts[:i] {
				if part.start < other.start+other.length && other.start < part.start+part.length {
					t.Errorf("%q of %d bytes is %+v, of which two overlap", header, size, parts)
				}
			}
			again = append(again, fmt.Sprintf("%d-%d", part.start, part.start+part.length-1))
		}
		r.Header.Set("Range", "bytes="+strings.Join(again, ","))
		if same, err := requestedRanges(r, d, size, maxRanges); !slices.Equal(same, parts) || err != nil {
			t.Errorf("%q is %+v, and %q is %+v, %v", header, parts, r.Header.Get("Range"), same, err)
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
