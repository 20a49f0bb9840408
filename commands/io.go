package commands

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/sreg-project/sreg/internal/config"
)

// IO is what a command reads from and writes to.
type IO struct {
	In            io.Reader
	Out           io.Writer // what was asked for
	Err           io.Writer // everything else: progress, logs, errors
	OutIsTerminal bool
	ErrIsTerminal bool
	// ReadHidden reads a line of In without showing it; nil if In is no terminal.
	ReadHidden func(context.Context) (string, error)
	Environ    []string
	// ConfigFolders are where a config is looked for that no flag names.
	ConfigFolders []string
}

// System is the IO of this process.
func System() IO {
	system := IO{
		In:            os.Stdin,
		Out:           os.Stdout,
		Err:           os.Stderr,
		OutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Environ:       os.Environ(),
		ConfigFolders: config.DefaultFolders(),
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		system.ReadHidden = readHidden
	}
	return system
}

// warn says what is not wrong but should be known.
func (io IO) warn(message string) {
	fmt.Fprintln(io.Err, "warning:", message)
}
