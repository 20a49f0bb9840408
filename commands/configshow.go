package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/config"
)

// configShow are the flags of config show.
type configShow struct {
	from   source
	given  bool
	output format
}

func newConfigShow(io IO) *cobra.Command {
	var opts configShow
	cmd := &cobra.Command{
		Use:        "show [KEY...]",
		SuggestFor: []string{"get", "list", "print", "dump"},
		Short:      "Show the values that count, and where each comes from",
		Long: "Show each key of the config with the value that sreg serve would run with, and where that\n" +
			"was given: a place in a file, a variable of the environment, a flag, or nowhere, which is\n" +
			"the default. With KEY show only these keys and what is below them. Secrets are shown as\n" +
			"***, and files of secrets are not read." + exitCodes,
		Example: "  sreg config show --given\n" +
			"  sreg config show gc server.limits\n" +
			"  sreg config show -c sreg.yaml -c production.yaml -o json",
		RunE: func(_ *cobra.Command, keys []string) error { return runConfigShow(io, opts, keys) },
	}
	opts.from.addFlags(cmd)
	cmd.Flags().BoolVar(&opts.given, "given", false, "leave out the defaults")
	addOutputFlag(cmd, &opts.output)
	cmd.ValidArgsFunction = func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return beginningWith(word, config.Keys()), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// settingJSON is one key as JSON. From is null where the value is the default.
type settingJSON struct {
	Key   string       `json:"key"`
	Value any          `json:"value"`
	From  *settingFrom `json:"from"`
}

// settingFrom is where a value was given: a file with a line and a column, a variable or a flag.
type settingFrom struct {
	Source string `json:"source"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`

	text string
}

func (s settingJSON) cells() []string {
	from := "default"
	if s.From != nil {
		from = s.From.text
	}
	return []string{s.Key, valueText(s.Value), from}
}

func runConfigShow(io IO, opts configShow, keys []string) error {
	opts.from.withoutSecrets = true
	cfg, sources, err := opts.from.load(io)
	if err != nil {
		return err
	}
	var rows []settingJSON
	found := map[string]bool{}
	for _, s := range cfg.Settings(sources) {
		asked := len(keys) == 0
		for _, key := range keys {
			if rest, ok := strings.CutPrefix(s.Key, key); ok && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
				asked, found[key] = true, true
			}
		}
		if !asked || opts.given && s.From.Source == "" {
			continue
		}
		row := settingJSON{Key: s.Key, Value: s.Value}
		if s.From.Source != "" {
			row.From = &settingFrom{Source: s.From.Source, Line: s.From.Line, Column: s.From.Column, text: s.From.String()}
		}
		rows = append(rows, row)
	}
	for _, key := range keys {
		if !found[key] && !slices.Contains(config.Keys(), key) {
			return &usageError{message: fmt.Sprintf("the config has no key %s", key), hint: "sreg config schema, or docs/configuration.md, has all of them"}
		}
	}
	return printRows(io, opts.output, rows, []string{"KEY", "VALUE", "FROM"}, settingJSON.cells)
}
