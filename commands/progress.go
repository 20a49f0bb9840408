package commands

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// progress shows a person how far a long command is, in one line that is written again and again: its phase, how much of
// that is done, and how long it will take. Where stderr is no terminal it shows nothing.
type progress struct {
	to    io.Writer    // nil shows nothing
	shown atomic.Int64 // when it was last drawn, in nanoseconds since the epoch
	phase atomic.Pointer[begunPhase]
}

// begunPhase is a phase, since when it runs and what share of it was done by then.
type begunPhase struct {
	name  string
	at    time.Time
	share float64
}

const (
	// drawEvery is how often the line is drawn at most: a command may have a million objects.
	drawEvery = 100 * time.Millisecond
	// guessAfter is how long a phase must run before the time that is left can be guessed.
	guessAfter = 3 * time.Second

	clearLine = "\r\x1b[K"
)

// newProgress begins to show it, unless the command is done at once. The caller ends it.
func (io IO) newProgress() *progress {
	if !io.ErrIsTerminal {
		return &progress{}
	}
	p := &progress{to: io.Err}
	p.shown.Store(time.Now().UnixNano())
	return p
}

// show says where the command is: which share of the phase is done, 0 if nobody knows, and how much that is. It is called
// by any number of goroutines.
func (p *progress) show(phase string, share float64, amount func() string) {
	now := time.Now()
	last := p.shown.Load()
	if p.to == nil || now.UnixNano()-last < int64(drawEvery) || !p.shown.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	begun := p.phase.Load()
	if begun == nil || begun.name != phase {
		begun = &begunPhase{phase, now, share}
		p.phase.Store(begun)
	}
	line := phase
	if share > 0 {
		line += fmt.Sprintf(" %2.0f %%", 100*min(share, 1))
	}
	line += ", " + amount()
	if left := begun.left(now, share); left > 0 {
		line += ", " + span(left) + " left"
	}
	// What cannot be shown is not worth ending the command for.
	_, _ = fmt.Fprint(p.to, clearLine+line)
}

// left guesses how long a phase will take from now on; 0 is not known.
func (b *begunPhase) left(now time.Time, share float64) time.Duration {
	took, done := now.Sub(b.at), share-b.share
	if took < guessAfter || done <= 0 || share >= 1 {
		return 0
	}
	return time.Duration(float64(took) * (1 - share) / done)
}

// end clears the line.
func (p *progress) end() {
	if p.phase.Load() != nil {
		_, _ = fmt.Fprint(p.to, clearLine)
	}
}
