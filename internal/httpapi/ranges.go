package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
)

// span is the part of a blob that is sent.
type span struct {
	start, length int64
	partial       bool
}

// requestedRange reads the Range header (RFC 9110, 14.2): one range is honoured; several, and what
// is no range of bytes, are ignored, and the whole blob is sent. A range behind the end is errRange.
func requestedRange(r *http.Request, d oci.Digest, size int64) (span, error) {
	whole := span{length: size}
	lines := r.Header["Range"]
	if len(lines) != 1 {
		return whole, nil
	}
	if condition := r.Header.Get("If-Range"); condition != "" && strings.Trim(condition, `"`) != d.String() {
		return whole, nil
	}
	first, last, ok := parseRange(lines[0])
	if !ok {
		return whole, nil
	}
	if first < 0 { // a suffix of last bytes
		if last == 0 || size == 0 {
			return span{}, errRange
		}
		length := min(last, size)
		return span{start: size - length, length: length, partial: true}, nil
	}
	if first >= size {
		return span{}, errRange
	}
	if last < 0 || last >= size {
		last = size - 1
	}
	return span{start: first, length: last - first + 1, partial: true}, nil
}

// parseRange reads bytes=first-last. A missing last is -1; for a suffix first is -1 and last is its
// length.
func parseRange(s string) (first, last int64, ok bool) {
	unit, spec, found := strings.Cut(s, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return 0, 0, false
	}
	from, to, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || from == "" && to == "" {
		return 0, 0, false
	}
	first, last = -1, -1
	if from != "" {
		if first, ok = parseOffset(from); !ok {
			return 0, 0, false
		}
	}
	if to != "" {
		if last, ok = parseOffset(to); !ok {
			return 0, 0, false
		}
	}
	if from != "" && to != "" && last < first {
		return 0, 0, false
	}
	return first, last, true
}

// parseContentRange reads first-last as the distribution spec writes it, or as RFC 9110 does:
// "bytes first-last/size".
func parseContentRange(s string) (first, last int64, ok bool) {
	if rest, found := strings.CutPrefix(s, "bytes "); found {
		s, _, _ = strings.Cut(rest, "/")
	}
	from, to, found := strings.Cut(s, "-")
	if !found {
		return 0, 0, false
	}
	first, ok = parseOffset(from)
	if !ok {
		return 0, 0, false
	}
	last, ok = parseOffset(to)
	return first, last, ok && last >= first
}

// parseOffset reads digits alone: ParseInt would take signs.
func parseOffset(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
