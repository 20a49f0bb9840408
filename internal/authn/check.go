package authn

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"

	"github.com/sreg-project/sreg/internal/setting"
)

// CheckProvider asks an OIDC provider for its discovery document and its keys, as the first sign-in would,
// and says how many keys there are. An error names the key, below the provider, that it is about.
func CheckProvider(ctx context.Context, config ProviderConfig) (keys int, err error) {
	config = config.Complete()
	source, roots, err := config.source(nil)
	if err != nil {
		return 0, err
	}
	set := newKeySet(source, roots, slog.New(slog.DiscardHandler))
	defer set.close()
	found, err := set.ask(ctx)
	if err != nil {
		return 0, &setting.Error{Key: keyOf(config, err), Err: err}
	}
	return len(found), nil
}

// keyOf is the key that an error of a provider is about.
func keyOf(config ProviderConfig, err error) string {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return "ca_file"
	case config.JWKSURI != "":
		return "jwks_uri"
	}
	return "issuer"
}
