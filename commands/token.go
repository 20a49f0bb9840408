package commands

import (
	"github.com/spf13/cobra"
)

func newToken(io IO) *cobra.Command {
	cmd := newGroup(&cobra.Command{
		Use:   "token",
		Short: "Rotate the key of tokens, and revoke tokens",
		Long: "Look after the tokens that a registry makes itself, at /token: change the key that signs\n" +
			"them, or end tokens before their time. Servers that run take it over within 10 seconds.\n\n" +
			"The metadata store of the config is written to, found as sreg serve finds it." + exitCodes,
		Example: "  sreg token rotate -c /etc/sreg/sreg.yaml\n  sreg token revoke --user alice -c /etc/sreg/sreg.yaml",
	})
	cmd.AddCommand(newTokenRotate(io), newTokenRevoke(io))
	return cmd
}
