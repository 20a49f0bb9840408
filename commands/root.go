package commands

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sreg-project/sreg/internal/spelling"
)

// NewRoot returns the whole command tree.
func NewRoot(io IO) *cobra.Command {
	if io.colour == nil {
		io.colour = new(colourMode)
	}
	root := newGroup(&cobra.Command{
		Use:   "sreg",
		Short: "An OCI registry that one person can run and a company can rely on",
		Long: "sreg is an OCI registry in one binary. Started without a config it serves this\n" +
			"computer alone and keeps its data in ./sreg-data." + exitCodes,
		Example: "  sreg serve\n  sreg config validate -c sreg.yaml\n  sreg user add alice -c sreg.yaml\n  sreg policy test -c sreg.yaml tests/*.yaml",
	})
	root.SilenceErrors = true // Main prints them
	root.SilenceUsage = true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetIn(io.In)
	root.SetOut(io.Out)
	root.SetErr(io.Err)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(io, cmd) })
	addColourFlag(root, io.colour)
	var shown bool
	root.Flags().BoolVar(&shown, "version", false, "show which version this is")
	help := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if shown {
			return runVersion(io, formatTable)
		}
		return help(cmd, args)
	}
	root.AddCommand(newServe(io), newConfig(io), newPolicy(io), newUser(io), newToken(io), newGC(io), newHealth(io), newVersion(io), newExitCodes())
	return root
}

// newGroup makes cmd a command that only has commands: alone it shows its help, and a word that is
// none of them is a usage error.
func newGroup(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := seeHelp(cmd)
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or "+cmd.CommandPath()+" ") + "?"
		}
		return &usageError{message: fmt.Sprintf("unknown command %q for %s", args[0], cmd.CommandPath()), hint: hint}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// flagError says which flag was likely meant by one that the command does not have.
func flagError(cmd *cobra.Command, err error) error {
	mistake := &usageError{message: err.Error(), hint: seeHelp(cmd)}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return mistake
	}
	name := unknown.GetSpecifiedName()
	near, ok := nearestFlag(cmd, name)
	if ok {
		mistake.hint = "did you mean --" + near + "?"
	}
	if near == "password-stdin" && !strings.Contains(name, "-") {
		mistake.hint = "a password in a command line is seen by others: --" + near + " reads it, and without it you are asked"
	}
	return mistake
}

// nearestFlag is a flag of which the name is the beginning, or else one that is spelt alike, or whose first word is.
func nearestFlag(cmd *cobra.Command, name string) (string, bool) {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	longer := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, name+"-") })
	if longer >= 0 {
		return names[longer], true
	}
	if near, ok := spelling.Nearest(name, names); ok {
		return near, true
	}
	firsts := make([]string, len(names))
	for i, n := range names {
		firsts[i], _, _ = strings.Cut(n, "-")
	}
	near, ok := spelling.Nearest(name, firsts)
	if !ok {
		return "", false
	}
	return names[slices.Index(firsts, near)], true
}

// noArgs refuses words that a command does not take.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{message: fmt.Sprintf("%s takes no argument, got %q", cmd.CommandPath(), args[0]), hint: seeHelp(cmd)}
}

func seeHelp(cmd *cobra.Command) string {
	return fmt.Sprintf("see %s --help", cmd.CommandPath())
}

// one wants one argument, which a message calls by a noun.
func one(noun string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return &usageError{message: fmt.Sprintf("%s takes one %s, got %d", cmd.CommandPath(), noun, len(args)), hint: seeHelp(cmd)}
	}
}
