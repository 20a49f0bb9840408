// Package commands is what a person types: one file a command, from its flags to its output.
// It promises that errors say what to do and that exit codes mean the same everywhere.
// It must not know how anything is done: it reads flags, calls one room and prints.
package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/users"
)

// The exit codes of every command.
const (
	exitOK          = 0
	exitFailed      = 1   // something failed
	exitUsage       = 2   // the command line or the config is wrong
	exitHeld        = 3   // another process holds the lock
	exitInterrupted = 130 // a signal ended it
)

// Main runs one command line and returns its exit code. The first interrupt asks the command to
// finish, the second one does not wait for that.
func Main(ctx context.Context, io IO, args []string) int {
	io.colour = new(colourMode)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	ended := make(chan error, 1)
	go func() { ended <- run(ctx, io, args) }() // ends with the command, or with the process
	for {
		select {
		case err := <-ended:
			return report(io, err)
		case <-signals:
			if ctx.Err() != nil {
				return exitInterrupted
			}
			cancel()
		}
	}
}

func run(ctx context.Context, io IO, args []string) error {
	root := NewRoot(io)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// report prints what went wrong and how to go on, and chooses the exit code.
func report(io IO, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(io.Err, io.errColours().paint(bad, "error:"), "interrupted")
		return exitInterrupted
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(io.Err, io.errColours().paint(bad, "error:"), line)
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintln(io.Err, io.errColours().paint(strong, "hint:"), hinted.Hint())
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var usage *usageError
	var badConfig *config.Error
	var held *heldError
	switch {
	case errors.As(err, &usage), errors.As(err, &badConfig):
		return exitUsage
	case errors.As(err, &held), errors.Is(err, users.ErrBusy):
		return exitHeld
	default:
		return exitFailed
	}
}
