package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sreg-project/sreg/internal/users"
)

// maxPasswordInput bounds what is read as a password: a mistyped pipe must not fill memory.
const maxPasswordInput = 64 << 10

// passwordFrom says where a command takes a password from; the terminal if nothing is set.
type passwordFrom struct {
	stdin    bool
	generate bool
}

func (p *passwordFrom) stdinFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.stdin, "password-stdin", false, "read the password from standard input")
}

func (p *passwordFrom) generateFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.generate, "generate", false, "make a password and print it, once")
}

// askNew gets a password that is to be hashed, and warns if it is easily guessed.
func (i IO) askNew(ctx context.Context, name string, from passwordFrom) (string, error) {
	if from.stdin && from.generate {
		return "", &usageError{message: "--password-stdin and --generate exclude each other", hint: "choose one"}
	}
	if from.generate {
		return rand.Text(), nil // 128 bits
	}
	password, err := i.askOnce(ctx, "New password: ", from)
	if err != nil {
		return "", err
	}
	if !from.stdin {
		again, err := i.askHidden(ctx, "The same again: ")
		if err != nil {
			return "", err
		}
		if again != password {
			return "", errors.New("the two passwords differ")
		}
	}
	for _, weakness := range users.Weaknesses(name, password) {
		i.warn(weakness)
	}
	return password, nil
}

// askOnce gets a password from standard input or from the terminal.
func (i IO) askOnce(ctx context.Context, prompt string, from passwordFrom) (string, error) {
	if from.stdin {
		return i.readPassword()
	}
	return i.askHidden(ctx, prompt)
}

// readPassword reads all of standard input, without the line break at its end.
func (i IO) readPassword() (string, error) {
	content, err := io.ReadAll(io.LimitReader(i.In, maxPasswordInput+1))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if len(content) > maxPasswordInput {
		return "", fmt.Errorf("read the password: standard input has over %d bytes", maxPasswordInput)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
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

// printGenerated prints a password that was made, when it is in force.
func (i IO) printGenerated(password string, from passwordFrom) error {
	if !from.generate {
		return nil
	}
	_, err := fmt.Fprintln(i.Out, password)
	return err
}
