package commands

import (
	"context"
	"fmt"
	goio "io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/registry"
)

// maxTokenText bounds what is read as a token.
const maxTokenText = 64 << 10

type tokenRevokeOptions struct {
	from   source
	id     string
	user   string
	stdin  bool
	output format
}

func newTokenRevoke(io IO) *cobra.Command {
	var opts tokenRevokeOptions
	cmd := &cobra.Command{
		Use:   "revoke [ID]",
		Short: "End tokens before their time",
		Long: "End the tokens of one sign-in by its id, access tokens and refresh token alike, or all that\n" +
			"a user has got so far. The id is in the log where a refresh token was given, and in each\n" +
			"token: with --token-stdin a token is read from standard input and its sign-in is revoked.\n\n" +
			"A user whose password is right can sign in again: sreg user remove or another password\n" +
			"keeps them out." + exitCodes,
		Example: "  sreg token revoke PUNLC5ZDDGMV6Y3HFKVJ2MQSNZ -c /etc/sreg/sreg.yaml\n" +
			"  sreg token revoke --user alice\n" +
			"  sreg token revoke --user github/repo:acme/app -o json\n" +
			"  sreg token revoke --token-stdin < leaked.txt",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{message: fmt.Sprintf("sreg token revoke takes one id, got %d", len(args)), hint: "call it once for each"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.id = strings.Join(args, "")
			return runTokenRevoke(cmd.Context(), io, opts)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	opts.from.addFlags(cmd)
	cmd.Flags().StringVar(&opts.user, "user", "", "revoke all tokens that `NAME` has got so far: a user name, or PROVIDER/SUBJECT")
	cmd.Flags().BoolVar(&opts.stdin, "token-stdin", false, "read a token from standard input, and revoke the sign-in that it came from")
	completeFrom(cmd, "user")
	addOutputFlag(cmd, &opts.output)
	return cmd
}

func runTokenRevoke(ctx context.Context, io IO, opts tokenRevokeOptions) (err error) {
	given := 0
	for _, is := range []bool{opts.id != "", opts.user != "", opts.stdin} {
		if is {
			given++
		}
	}
	if given != 1 {
		return &usageError{message: "want one of an id, --user and --token-stdin", hint: "see sreg token revoke --help"}
	}
	if opts.stdin {
		text, err := goio.ReadAll(goio.LimitReader(io.In, maxTokenText))
		if err == nil {
			opts.id, err = authn.SignInOf(string(text))
		}
		if err != nil {
			return fmt.Errorf("read token: %w", err)
		}
	}
	store, err := openStore(ctx, io, opts.from)
	if err != nil {
		return err
	}
	defer store.close(&err)
	now := time.Now().UTC().Truncate(time.Second)
	revocation := authn.Revocation{ID: opts.id, User: opts.user, At: now, Until: now.Add(store.config.Auth.Token.Longest())}
	err = store.Registry.ChangeSecret(ctx, registry.RevokedTokens, func(record []byte) ([]byte, error) {
		return authn.Revoke(record, revocation)
	})
	if err != nil {
		return err
	}
	if opts.output == formatJSON {
		return io.printJSON(revocation)
	}
	what := "the tokens of the sign-in " + opts.id
	if opts.user != "" {
		what = "all tokens of " + opts.user + " of before " + now.Format(time.RFC3339)
	}
	_, err = fmt.Fprintf(io.Out, "revoked %s\n", printable(what))
	return err
}
