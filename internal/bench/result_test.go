package bench

import (
	"errors"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values []float64
		want   float64
	}{
		"of nothing is zero":                    {nil, 0},
		"of one is that one":                    {[]float64{3}, 3},
		"of an odd number is the middle":        {[]float64{9, 1, 5}, 5},
		"of an even number is between the two":  {[]float64{4, 1, 2, 100}, 3},
		"does not care for one that ran astray": {[]float64{1, 1, 1, 1, 1000}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := median(tc.values); got != tc.want {
				t.Errorf("got %g, want %g", got, tc.want)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		limit   limit
		samples []float64
		err     error
		want    Verdict
	}{
		"at the limit is reached":               {limit{atMost, 1.3, "x"}, []float64{1.3}, nil, Reached},
		"over the most is missed":               {limit{atMost, 1.3, "x"}, []float64{1.31}, nil, Missed},
		"over the least is reached":             {limit{atLeast, 4, "x"}, []float64{4.1}, nil, Reached},
		"under the least is missed":             {limit{atLeast, 4, "x"}, []float64{3.9}, nil, Missed},
		"follows the median, not the worst":     {limit{atMost, 1, "x"}, []float64{0.9, 0.9, 5}, nil, Reached},
		"without a limit is shown":              {limit{shown, 0, "x"}, []float64{7}, nil, Shown},
		"of an error is failed":                 {limit{atMost, 1, "x"}, nil, errors.New("no answer"), Failed},
		"of nothing measured is failed as well": {limit{atMost, 1, "x"}, nil, nil, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newResult(row{limit: tc.limit}, figures{samples: tc.samples}, tc.err)
			if got.Verdict != tc.want {
				t.Errorf("got %s, want %s", got.Verdict, tc.want)
			}
		})
	}
}

func TestFiguresAreJudgedPerOperation(t *testing.T) {
	t.Parallel()
	ours := []usage{{wall: time.Second, cpu: 500 * time.Millisecond, ops: 100}}
	theirs := []usage{{wall: time.Second, cpu: 100 * time.Millisecond, ops: 10}}
	for name, tc := range map[string]struct {
		by   judge
		want float64
	}{
		"by time":  {byWall, 0.1},
		"by CPU":   {byCPU, 0.5},
		"by speed": {bySpeed, 10},
	} {
		if got := decide(ours, theirs, tc.by).samples[0]; got != tc.want {
			t.Errorf("%s: got %g, want %g", name, got, tc.want)
		}
	}
	const want = "time 10 ms : 100 ms, CPU 5 ms : 10 ms (0.50 x)"
	if got := decide(ours, theirs, byWall).detail; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNumbersHaveTheDigitsThatMatter(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0.0123: "0.012", 1.254: "1.25", 41.26: "41.3", 249.6: "250"} {
		if got := number(v); got != want {
			t.Errorf("%g: got %s, want %s", v, got, want)
		}
	}
}
