package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

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
		return "", &usageError{message: "--password-stdin and --generate cannot be used together", hint: "choose one"}
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

// printGenerated prints a password that was made, when it is in force.
func (i IO) printGenerated(password string, from passwordFrom) error {
	if !from.generate {
		return nil
	}
	_, err := fmt.Fprintln(i.Out, password)
	return err
}
