package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/registry"
)

type tokenRotateOptions struct {
	from    source
	overlap time.Duration
	output  format
}

func newTokenRotate(io IO) *cobra.Command {
	var opts tokenRotateOptions
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Sign tokens with a new key",
		Long: "Make a new key, which signs all tokens from now on. What the former key has signed is\n" +
			"accepted until the overlap ends, so that nobody has to sign in again. If the key was\n" +
			"stolen, choose --overlap 0s: then every token ends at once, and docker and others sign in\n" +
			"again by themselves.\n\n" +
			"A key of your own, auth.token.key_file, is not changed: put the new one before the former\n" +
			"one in that file, and into the block of the former one a line \"Until: 2030-01-31T12:00:00Z\"\n" +
			"and an empty line." + exitCodes,
		Example: "  sreg token rotate\n" +
			"  sreg token rotate --overlap 0s -c /etc/sreg/sreg.yaml\n" +
			"  sreg token rotate -o json",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("overlap") {
				opts.overlap = -1
			}
			return runTokenRotate(cmd.Context(), io, opts)
		},
	}
	opts.from.addFlags(cmd)
	durationFlag(cmd, &opts.overlap, "overlap", "how long tokens of the former key are accepted: `DURATION`, such as 12h or 1d (default auth.token.refresh_ttl)")
	addOutputFlag(cmd, &opts.output)
	return cmd
}

func runTokenRotate(ctx context.Context, io IO, opts tokenRotateOptions) (err error) {
	if opts.overlap < -1 {
		return &usageError{message: fmt.Sprintf("--overlap: want 0s or more, got %s", opts.overlap), hint: "0s ends the tokens of the former key at once"}
	}
	store, err := openStore(ctx, io, opts.from)
	if err != nil {
		return err
	}
	defer store.close(&err)
	if file := store.config.Auth.Token.KeyFile; file != "" {
		return &usageError{message: "the key of tokens is your own: auth.token.key_file is " + file, hint: "put the new key before the former one in it, see sreg token rotate --help"}
	}
	if opts.overlap < 0 {
		opts.overlap = max(store.config.Auth.Token.RefreshTTL, store.config.Auth.Token.TTL)
	}
	now := time.Now()
	var keys []authn.RotatedKey
	err = store.Registry.ChangeSecret(ctx, registry.TokenKeys, func(content []byte) (next []byte, err error) {
		next, keys, err = authn.RotateKeys(content, now, now.Add(opts.overlap))
		return next, err
	})
	if err != nil {
		return err
	}
	return printRows(io, opts.output, keys, []string{"KEY", "SIGNS", "ACCEPTED UNTIL"}, func(key authn.RotatedKey) []string {
		if key.Until == nil {
			return []string{key.ID, "yes", "-"}
		}
		return []string{key.ID, "no", key.Until.Format(time.RFC3339)}
	})
}
