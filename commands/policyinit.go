package commands

import (
	_ "embed" // the files that are written
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

var (
	//go:embed first/policy.yaml
	firstPolicy []byte
	//go:embed first/tests.yaml
	firstTests []byte
)

func newPolicyInit(io IO) *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a first policy and its tests",
		Long: "Write a first policy with comments, policy.yaml, and a file of cases for it,\n" +
			"tests/policy.yaml, into DIR or the working directory. What is there is never overwritten." + exitCodes,
		Example: "  sreg policy init\n  sreg policy test -c policy.yaml tests/policy.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) <= 1 {
				return nil
			}
			return &usageError{message: fmt.Sprintf("sreg policy init takes one folder, got a second one: %q", args[1]), hint: seeHelp(cmd)}
		},
		RunE: func(_ *cobra.Command, args []string) error {
			folder := "."
			if len(args) > 0 {
				folder = args[0]
			}
			return runPolicyInit(io, folder)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
}

func runPolicyInit(io IO, folder string) error {
	policyFile, testFile := filepath.Join(folder, "policy.yaml"), filepath.Join(folder, "tests", "policy.yaml")
	for _, file := range []string{policyFile, testFile} { // both, before one is written
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return hintedError{fmt.Errorf("%s is there already", file), "move it away, or name another folder"}
		}
	}
	if err := os.MkdirAll(filepath.Dir(testFile), 0o755); err != nil {
		return err
	}
	if err := writeNew(policyFile, firstPolicy); err != nil {
		return err
	}
	if err := writeNew(testFile, firstTests); err != nil {
		return err
	}
	_, err := fmt.Fprintf(io.Out, "wrote %s and %s\ntry: sreg policy test -c %s %s\n", policyFile, testFile, policyFile, testFile)
	return err
}

// writeNew writes a file that is not there yet.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // a part of it would be in the way of the next try
	}
	return nil
}
