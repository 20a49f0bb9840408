package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
	// Width is how many columns the terminal of Out has; 0 if that is not known.
	Width int
	// ReadHidden reads a line of In without showing it; nil if In is no terminal.
	ReadHidden func(context.Context) (string, error)
	Environ    []string
	// ConfigFolders are where a config is looked for that no flag names.
	ConfigFolders []string

	colour *colourMode // of --color; nil is auto
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
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && system.OutIsTerminal {
		system.Width = width
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		system.ReadHidden = readHidden
	}
	return system
}

// warn says what is not wrong but should be known.
func (io IO) warn(message string) {
	fmt.Fprintln(io.Err, io.errColours().paint(unsure, "warning:"), message)
}

// confirm asks somebody at the terminal, who has to type yes.
func (i IO) confirm(ctx context.Context, question string) error {
	if i.ReadHidden == nil {
		return &usageError{message: "there is no terminal to ask whether you mean it", hint: "say so with --yes"}
	}
	fmt.Fprint(i.Err, question)
	answer, err := readLine(ctx, func() (string, error) { return bufio.NewReader(i.In).ReadString('\n') })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("read the answer: %w", err)
	case strings.TrimSpace(answer) != "yes":
		return errors.New("nothing was destroyed")
	}
	return nil
}

// askHidden asks for a password.
func (i IO) askHidden(ctx context.Context, prompt string) (string, error) {
	if i.ReadHidden == nil {
		return "", &usageError{message: "there is no terminal to ask for the password", hint: "pipe it in with --password-stdin"}
	}
	fmt.Fprint(i.Err, prompt)
	password, err := i.ReadHidden(ctx)
	fmt.Fprintln(i.Err) // the line break that was typed is hidden, too
	if errors.Is(err, io.EOF) {
		return "", errors.New("no password was given")
	}
	return password, err
}

// readHidden reads a line from the terminal without showing it. However it ends, the terminal shows again
// what is typed.
func readHidden(ctx context.Context) (string, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	line, err := readLine(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if ctx.Err() != nil {
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
	return string(line), err
}

// readLine waits for a read, or for the end of ctx, behind which the read goes on.
func readLine[T any](ctx context.Context, read func() (T, error)) (line T, err error) {
	done := make(chan struct{})
	var got T
	var failed error
	go func() { // ends with the line, or with the process
		got, failed = read()
		close(done)
	}()
	select {
	case <-done:
		return got, failed
	case <-ctx.Done():
		return line, ctx.Err()
	}
}
