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
)

// confirm asks somebody at the terminal, who has to type yes.
func (i IO) confirm(ctx context.Context, question string) error {
	if i.ReadHidden == nil {
		return &usageError{message: "there is no terminal to ask whether you mean it", hint: "say so with --yes"}
	}
	fmt.Fprint(i.Err, question)
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() { // ends with the line, or with the process
		text, err := bufio.NewReader(i.In).ReadString('\n')
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return fmt.Errorf("read the answer: %w", l.err)
		}
		if strings.TrimSpace(l.text) != "yes" {
			return errors.New("nothing was destroyed")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

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
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() { // ends with the line, or with the process
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return string(l.text), l.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
