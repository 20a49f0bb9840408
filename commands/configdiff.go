package commands

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/config"
)

func newConfigDiff(io IO) *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show what differs between two configs, and what needs a restart",
		Long: "Show what a server that runs on the config OLD would do if its file became NEW: which\n" +
			"keys have another value, and whether it takes that at once or needs a restart. Both are\n" +
			"checked as sreg serve does it, but for files of secrets, and both with the environment of\n" +
			"now. Secrets are shown as ***." + exitCodes,
		Example: "  sreg config diff /etc/sreg/sreg.yaml sreg.yaml\n" +
			"  sreg config diff sreg.yaml new.yaml -o json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return &usageError{message: "want two config files", hint: "sreg config diff OLD NEW"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			before, after := source{files: args[:1], withoutSecrets: true}, source{files: args[1:], withoutSecrets: true}
			running, _, err := before.load(io)
			if err != nil {
				return err
			}
			next, err := config.Reload(after.options(io), running)
			if err != nil {
				return err
			}
			return io.printChanges(next.Changes, output)
		},
	}
	addOutputFlag(cmd, &output)
	return cmd
}

// changeJSON is one changed key as JSON. Old and new are null where the key is absent.
type changeJSON struct {
	Key     string `json:"key"`
	Old     any    `json:"old"`
	New     any    `json:"new"`
	Restart bool   `json:"restart"`
}

func (io IO) printChanges(changes []config.Change, output format) error {
	rows := make([]changeJSON, len(changes))
	for i, c := range changes {
		rows[i] = changeJSON(c)
	}
	return printRows(io, output, rows, []string{"KEY", "OLD", "NEW", "TAKEN"}, func(c changeJSON) []string {
		taken := "at once"
		if c.Restart {
			taken = "needs a restart"
		}
		return []string{c.Key, valueText(c.Old), valueText(c.New), taken}
	})
}

// valueText is a value of a config on one line.
func valueText(v any) string {
	if text, ok := v.(string); ok && text != "" {
		return text
	}
	if v == nil {
		return "-"
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // rules have && and <
	if err := encoder.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(text.String())
}
