package bench

import (
	"fmt"
	"slices"
	"strings"
)

// limit is what a row must reach. The zero limit is a row that is shown for comparison only.
type limit struct {
	kind  limitKind
	value float64
	unit  string // "x floor", "ms"
}

type limitKind int

const (
	shown limitKind = iota
	atMost
	atLeast
)

func (l limit) String() string {
	switch l.kind {
	case atMost:
		return fmt.Sprintf("at most %g %s", l.value, l.unit)
	case atLeast:
		return fmt.Sprintf("at least %g %s", l.value, l.unit)
	default:
		return "-"
	}
}

func (l limit) reachedBy(v float64) bool {
	switch l.kind {
	case atMost:
		return v <= l.value
	case atLeast:
		return v >= l.value
	default:
		return true
	}
}

// Verdict is the word in the last column.
type Verdict string

// The verdicts: reached and missed follow from the median alone.
const (
	Reached Verdict = "reached"
	Missed  Verdict = "missed"
	Shown   Verdict = "shown"
	Failed  Verdict = "failed"
)

// Result is one line of the table.
type Result struct {
	ID      string  `json:"id"`
	Work    string  `json:"work"`
	Must    string  `json:"must"`
	Unit    string  `json:"unit"`
	Median  float64 `json:"median"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Rounds  int     `json:"rounds"`
	Detail  string  `json:"detail,omitempty"`
	Verdict Verdict `json:"verdict"`
	Error   string  `json:"error,omitempty"`
}

func newResult(r row, f figures, err error) Result {
	res := Result{ID: r.id, Work: r.work, Must: r.limit.String(), Unit: r.limit.unit, Detail: f.detail}
	if err == nil && len(f.samples) == 0 {
		err = fmt.Errorf("nothing was measured")
	}
	if err != nil {
		res.Verdict, res.Error = Failed, strings.Join(strings.Fields(err.Error()), " ")
		return res
	}
	res.Rounds = len(f.samples)
	res.Median, res.Min, res.Max = median(f.samples), slices.Min(f.samples), slices.Max(f.samples)
	switch {
	case r.limit.kind == shown:
		res.Verdict = Shown
	case r.limit.reachedBy(res.Median):
		res.Verdict = Reached
	default:
		res.Verdict = Missed
	}
	return res
}

// Measured is the median with its unit.
func (r Result) Measured() string {
	if r.Verdict == Failed {
		return "-"
	}
	return number(r.Median) + " " + r.Unit
}

// Range is the smallest and the largest round.
func (r Result) Range() string {
	if r.Verdict == Failed {
		return "-"
	}
	return number(r.Min) + " to " + number(r.Max)
}

// Beside is what the row shows but is not judged by, or why it failed.
func (r Result) Beside() string {
	if r.Verdict == Failed {
		return r.Error
	}
	return r.Detail
}

// number prints with as many digits as matter: 0.012, 1.25, 41.3, 250.
func number(v float64) string {
	switch {
	case v < 0.1:
		return fmt.Sprintf("%.3f", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// median is the middle, or the mean of the two middles; 0 of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
