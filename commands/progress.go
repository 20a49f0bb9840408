package commands

import (
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows a person how far a long command is: its phase, how many objects, how many bytes. Where
// stderr is no terminal it shows nothing.
type progress struct {
	bar   *progressbar.ProgressBar // nil shows nothing
	shown atomic.Int64             // when it was last drawn, in nanoseconds since the epoch
}

// drawEvery is how often the line is drawn at most: a command may have a million objects.
const drawEvery = 100 * time.Millisecond

// newProgress begins to show it. The caller ends it.
func (io IO) newProgress() *progress {
	if !io.ErrIsTerminal {
		return &progress{}
	}
	return &progress{bar: progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(io.Err),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true), // as sized does
		progressbar.OptionSpinnerType(14),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(true),
	)}
}

// show says where the command is. It is called by any number of goroutines.
func (p *progress) show(phase string, objects, bytes int64) {
	now, last := time.Now().UnixNano(), p.shown.Load()
	if p.bar == nil || now-last < int64(drawEvery) || !p.shown.CompareAndSwap(last, now) {
		return
	}
	p.bar.Describe(phase + ", " + counted(int(objects), "object"))
	// What cannot be shown is not worth ending the command for.
	_ = p.bar.Set64(bytes)
}

// end clears the line.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
