package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
)

// span is a part of a blob that is sent.
type span struct {
	start, length int64
	partial       bool
}

// contentRange is the part as Content-Range has it.
func (s span) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.start, s.start+s.length-1, size)
}

const (
	// maxRanges is how many ranges one request may ask for; clients that pull parts of layers ask for about a thousand.
	maxRanges = 1024
	// maxServiceRanges is how many it may be where each of them is a request to a service.
	maxServiceRanges = 64
)

// requestedRanges reads the Range header (RFC 9110, 14.2). What is no list of ranges of bytes is ignored, and the whole
// blob is sent; so is it for more than most of them. A range behind the end is left out; errRange says that there is no other one. Ranges that overlap are one,
// so that no request gets more bytes than the blob has; others keep their order. Those that only touch stay apart: podman
// counts the parts.
func requestedRanges(r *http.Request, d oci.Digest, size int64, most int) ([]span, error) {
	whole := []span{{length: size}}
	lines := r.Header["Range"]
	if len(lines) != 1 {
		return whole, nil
	}
	if condition := r.Header.Get("If-Range"); condition != "" && strings.Trim(condition, `"`) != d.String() {
		return whole, nil
	}
	unit, list, found := strings.Cut(lines[0], "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Count(list, ",") >= most {
		return whole, nil
	}
	var parts []span
	asked := 0
	for positions := range strings.SplitSeq(list, ",") {
		positions = strings.TrimSpace(positions)
		if positions == "" && strings.Contains(list, ",") {
			continue // a list may have empty elements
		}
		first, last, ok := parsePositions(positions)
		if !ok || first < 0 && last < 0 {
			return whole, nil
		}
		asked++
		if part, ok := within(first, last, size); ok {
			parts = append(parts, part)
		}
	}
	switch {
	case asked == 0:
		return whole, nil
	case len(parts) == 0:
		return nil, errRange
	}
	return merge(parts), nil
}

// within is the part of a blob between two positions. A missing last is -1; for a suffix first is -1 and last is its
// length.
func within(first, last, size int64) (span, bool) {
	if first < 0 {
		length := min(last, size)
		return span{start: size - length, length: length, partial: true}, length > 0
	}
	if last < 0 || last >= size {
		last = size - 1
	}
	return span{start: first, length: last - first + 1, partial: true}, first < size
}

// merge makes parts that overlap one.
func merge(parts []span) []span {
	if len(parts) == 1 {
		return parts
	}
	sorted := slices.SortedFunc(slices.Values(parts), func(a, b span) int { return cmp.Compare(a.start, b.start) })
	merged := sorted[:1]
	for _, part := range sorted[1:] {
		last := &merged[len(merged)-1]
		if part.start >= last.start+last.length {
			merged = append(merged, part)
			continue
		}
		last.length = max(last.length, part.start+part.length-last.start)
	}
	if len(merged) == len(parts) {
		return parts
	}
	return merged
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
