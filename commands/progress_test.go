package commands

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressShowsTheShareAndTheTimeLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		shown := IO{Err: &out, ErrIsTerminal: true}.newProgress()
		amount := func() string { return "5 objects" }
		for _, step := range []struct {
			after time.Duration
			phase string
			share float64
		}{
			{time.Millisecond, "mark", 0}, // it may be done at once
			{time.Second, "mark", 0},
			{time.Millisecond, "mark", 0}, // too early to be drawn
			{time.Second, "condemn", 0.2},
			{time.Second, "condemn", 0.3}, // too early to guess
			{9 * time.Minute, "condemn", 0.5},
			{time.Second, "condemn", 1},
		} {
			time.Sleep(step.after)
			shown.show(step.phase, step.share, amount)
		}
		shown.end()
		lines := strings.Split(strings.TrimPrefix(out.String(), clearLine), clearLine)
		wantText(t, strings.Join(lines, "\n"), "mark, 5 objects\n"+
			"condemn 20 %, 5 objects\n"+
			"condemn 30 %, 5 objects\n"+
			"condemn 50 %, 5 objects, 15 minutes left\n"+
			"condemn 100 %, 5 objects\n")
	})
	var none bytes.Buffer
	quiet := IO{Err: &none}.newProgress()
	quiet.show("mark", 0, func() string { return "" })
	quiet.end()
	wantText(t, none.String(), "")
}
