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
	unit, positions, found := strings.Cut(s, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return 0, 0, false
	}
	first, last, ok = parsePositions(strings.TrimSpace(positions))
	return first, last, ok && (first >= 0 || last >= 0)
}

// parseContentRange reads first-last as the distribution spec writes it, or as RFC 9110 does:
// "bytes first-last/size".
func parseContentRange(s string) (first, last int64, ok bool) {
	if rest, found := strings.CutPrefix(s, "bytes "); found {
		s, _, _ = strings.Cut(rest, "/")
	}
	first, last, ok = parsePositions(s)
	return first, last, ok && first >= 0 && last >= 0
}

// parsePositions reads first-last, of which a missing one is -1.
func parsePositions(s string) (first, last int64, ok bool) {
	from, to, found := strings.Cut(s, "-")
	first, begins := parseOffset(from)
	last, ends := parseOffset(to)
	return first, last, found && begins && ends && (first < 0 || last < 0 || first <= last)
}

// parseOffset reads digits alone: ParseInt would take signs. Nothing is -1.
func parseOffset(s string) (int64, bool) {
	if s == "" {
		return -1, true
	}
	if len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
