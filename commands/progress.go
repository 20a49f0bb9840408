package commands

import (
	"github.com/schollz/progressbar/v3"
)

// progress shows a person how far a long command is: its phase, how many objects, how many bytes. Where
// stderr is no terminal it shows nothing.
type progress struct {
	bar *progressbar.ProgressBar // nil shows nothing
}

// newProgress begins to show it. The caller ends it.
func (io IO) newProgress() *progress {
	if !io.ErrIsTerminal {
		return &progress{}
	}
	return &progress{bar: progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(io.Err),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(true),
	)}
}

// show says where the command is. It is called by one goroutine at a time.
func (p *progress) show(phase string, objects, bytes int64) {
	if p.bar == nil {
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
