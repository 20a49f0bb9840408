package commands

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/config"
)

func newPolicy(io IO) *cobra.Command {
	cmd := newGroup(&cobra.Command{
		Use:   "policy",
		Short: "Test and explain who may do what",
		Long: "Test the policies and keep rules of a config against files of cases, explain what the\n" +
			"policies say to one request, and list who may do something. None of it needs a store, a\n" +
			"server or the network." + exitCodes,
		Example: "  sreg policy init\n  sreg policy test tests/*.yaml\n" +
			"  sreg policy explain --identity alice --action get-blob --namespace team/app\n" +
			"  sreg policy who put-manifest team/app:v1",
	})
	cmd.AddCommand(newPolicyTest(io), newPolicyExplain(io), newPolicyWho(io), newPolicyInit(io))
	return cmd
}

// loaded is a config without its secrets, and its rules.
type loaded struct {
	cfg     *config.Config
	sources config.Sources
	rules   config.Rules
}

// loadPolicies reads the config without its secrets, and compiles its policies and its keep rules.
func loadPolicies(io IO, from source) (loaded, error) {
	from.withoutSecrets = true
	cfg, sources, err := from.load(io)
	if err != nil {
		return loaded{}, err
	}
	io.warnOf(cfg.RuleWarnings(sources, from.compiler))
	rules, err := cfg.Rules(from.compiler)
	return loaded{cfg: cfg, sources: sources, rules: rules}, err
}

// requirePolicy refuses questions about access where no policy answers them.
func (l loaded) requirePolicy() error {
	if !l.rules.Access.Empty() {
		return nil
	}
	return &usageError{
		message: "the config has no policy: " + readFrom(l.sources),
		hint:    "sreg policy init writes a first one; name another config with -c",
	}
}

// readNamed reads a file that the command line names: one that cannot be read is a mistake there.
func readNamed(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, &usageError{message: err.Error()}
	}
	return content, nil
}
