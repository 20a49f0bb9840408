package commands

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

//go:embed first/laptop.yaml first/server.yaml first/replicas.yaml
var firstConfigs embed.FS

// deployment is where a first config is for.
type deployment string

const (
	onLaptop   deployment = "laptop"
	onServer   deployment = "server"
	onReplicas deployment = "replicas"
)

func newConfigInit(io IO) *cobra.Command {
	place := onLaptop
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a first config with comments",
		Long: "Write a first config with comments into FILE, or sreg.yaml. What is there is never\n" +
			"overwritten. It is for one of these:\n\n" +
			"    laptop     this computer alone\n" +
			"    server     a team on one server, with TLS, users, rules and an audit log\n" +
			"    replicas   two or more instances behind a balancer, with S3 and Redis" + exitCodes,
		Example: "  sreg config init\n  sreg config init --for server /etc/sreg/sreg.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) <= 1 {
				return nil
			}
			return one("file")(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return runConfigInit(io, place, append(args, "sreg.yaml")[0])
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	choiceFlag(cmd, &place, "for", "", "what it is for", onLaptop, onServer, onReplicas)
	return cmd
}

func runConfigInit(io IO, place deployment, file string) error {
	content, err := firstConfigs.ReadFile("first/" + string(place) + ".yaml")
	if err != nil {
		return err
	}
	switch err := writeNew(file, content); {
	case errors.Is(err, fs.ErrExist):
		return hintedError{fmt.Errorf("%s is there already", file), "move it away, or name another file"}
	case errors.Is(err, os.ErrNotExist):
		return hintedError{err, "make its folder first"}
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(io.Out, "wrote %s; its comments say what to change\ntry: sreg config validate -c %s\n", file, file)
	return err
}
