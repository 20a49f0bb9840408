package commands_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/sreg-project/sreg/commands"
	"github.com/sreg-project/sreg/internal/users"
)

const aliceLine = "alice:$2y$05$/N3n9u5AYFFcOiEOKLtxL.KJ1ClCGN/8ZZk/eKZDbO0OEa5sAKBWm\n"

func TestUserTellsThatAnotherWriterStandsStill(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(aliceLine), 0o600); err != nil {
		t.Fatal(err)
	}
	// The runtime's own goroutine for signals must not be born in the bubble.
	commands.Main(t.Context(), commands.IO{Out: io.Discard, Err: io.Discard}, []string{"version"})
	synctest.Test(t, func(t *testing.T) {
		err := users.Edit(t.Context(), file, func(*users.File) error {
			wantMain(t, commands.IO{}, []string{"user", "remove", "alice", "--file", file}, 3,
				"", "error: another process is writing the users file: "+file+"\nhint: try again; if it stays so, find out which process holds the file open\n")
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestUserAsksOnTheTerminal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		words []string
		typed []string // a missing line is the end of the input
		code  int
		err   string
	}{
		{
			"twice, and takes a weak one",
			[]string{"add", "bob"},
			[]string{"plover 123", "plover 123"},
			0,
			"New password: \nThe same again: \nwarning: the password has 10 characters, 12 or more are hard to guess\nadded bob\n",
		},
		{
			"and nothing typed is no password",
			[]string{"add", "bob"},
			nil, 1,
			"New password: \nerror: no password was given\n",
		},
		{
			"and two different ones are none",
			[]string{"set", "alice"},
			[]string{"plover kettle ninety", "plover"},
			1,
			"New password: \nThe same again: \nerror: the two passwords differ\n",
		},
		{
			"once to verify",
			[]string{"verify", "alice"},
			[]string{"wrong"},
			1,
			"Password: \nerror: this is not the password of alice\n",
		},
		{
			"not at all for groups",
			[]string{"set", "alice", "--group", "dev"},
			nil, 0,
			"changed alice\n",
		},
		{
			"not at all for who is not there",
			[]string{"set", "alcie"},
			nil, 1,
			"error: no such user: alcie\nhint: did you mean alice?\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "users")
			if err := os.WriteFile(file, []byte(aliceLine), 0o600); err != nil {
				t.Fatal(err)
			}
			typed := tt.typed
			terminal := commands.IO{ReadHidden: func(context.Context) (string, error) {
				if len(typed) == 0 {
					return "", io.EOF
				}
				line := typed[0]
				typed = typed[1:]
				return line, nil
			}}
			wantMain(t, terminal, append(append([]string{"user"}, tt.words...), "--file", file), tt.code, "", tt.err)
			if len(typed) > 0 {
				t.Errorf("did not ask for %q", typed)
			}
		})
	}
}

func TestUserGivesUpAskingWhenInterrupted(t *testing.T) {
	t.Parallel()
	terminal := commands.IO{ReadHidden: func(context.Context) (string, error) {
		return "", errors.Join(context.Canceled)
	}}
	wantMain(t, terminal, []string{"user", "hash"}, 130, "", "New password: \nerror: interrupted\n")
}

func TestUserListForPeopleHasAHead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(aliceLine), 0o600); err != nil {
		t.Fatal(err)
	}
	wantMain(t, commands.IO{OutIsTerminal: true}, []string{"user", "list", "--file", file}, 0,
		"NAME   HASH    NOTE\nalice  bcrypt  weak hash, set the password again\n", "")
}

// wantMain runs a command and compares all that it prints.
func wantMain(t *testing.T, streams commands.IO, args []string, code int, wantOut, wantErr string) {
	t.Helper()
	var out, problems bytes.Buffer
	streams.Out, streams.Err = &out, &problems
	if got := commands.Main(t.Context(), streams, args); got != code {
		t.Errorf("got exit code %d, want %d", got, code)
	}
	if out.String() != wantOut {
		t.Errorf("got output\n%s\nwant\n%s", out.String(), wantOut)
	}
	if problems.String() != wantErr {
		t.Errorf("got on standard error\n%s\nwant\n%s", problems.String(), wantErr)
	}
}
