package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/users"
)

// buildAuthenticator puts together who can sign in: the users, the providers and the key of tokens.
func (s *Snapshot) buildAuthenticator(ctx context.Context, cfg *config.Config, external *url.URL) error {
	var listed []users.User
	if cfg.Auth.UsersFile != "" {
		file, err := users.Load(cfg.Auth.UsersFile)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: sreg user add NAME makes it", err)
		}
		if err != nil {
			return &setting.Error{Key: "auth.users_file", Err: err}
		}
		listed = file.Users()
	}
	proxies, err := cfg.Server.Trusted()
	if err != nil {
		return &setting.Error{Key: "server.trusted_proxies", Err: err}
	}
	directory, err := authn.NewDirectory(cfg.Auth.Users, listed)
	if err != nil {
		return err
	}
	var keys authn.KeyStore = &storedKey{registry: s.Registry, readOnly: cfg.Registry.ReadOnly, made: &s.state.tokenKey, log: s.shared.Logger.With("module", "authn")}
	if cfg.Auth.Token.KeyFile != "" {
		keys = authn.KeyFile{Path: cfg.Auth.Token.KeyFile}
	}
	auth := cfg.Auth
	// Where nobody can sign in there is nothing that a token could say.
	auth.Token.Enabled = auth.Token.Enabled && auth.Active()
	s.authenticator, err = authn.New(authn.Options{
		Config: auth, Users: directory, Keys: keys,
		Revoked: func(ctx context.Context) ([]byte, error) { return s.Registry.Secret(ctx, registry.RevokedTokens) },
		Proxies: authn.Proxies{Trusted: proxies, Sockets: cfg.Server.TrustsSockets()}, ExternalURL: external, State: s.shared.signIns, Shared: s.caches.signIns, Logger: s.shared.Logger,
	})
	if err != nil {
		return err
	}
	s.opened = append(s.opened, s.authenticator.Close)
	err = s.authenticator.CheckKey(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: openssl genpkey -algorithm ed25519 -out FILE makes one; without key_file sreg keeps a key of its own", err)
	}
	if err != nil {
		return &setting.Error{Key: "auth.token.key_file", Err: err}
	}
	s.signIns = signIns{Authenticator: s.authenticator, active: cfg.Auth.Active()}
	return nil
}

// storedKey keeps the keys of tokens in the metadata store. A registry that is read-only and has none
// makes one that lives as long as the process.
type storedKey struct {
	registry *registry.Registry
	readOnly bool
	made     *madeKey
	log      *slog.Logger
}

// Load reads the keys, or is fs.ErrNotExist.
func (k *storedKey) Load(ctx context.Context) ([]byte, error) {
	keys, err := k.registry.Secret(ctx, registry.TokenKeys)
	if err == nil && keys == nil && k.readOnly {
		keys = k.made.get()
	}
	if err == nil && keys == nil {
		return nil, fmt.Errorf("key of tokens: %w", fs.ErrNotExist)
	}
	return keys, err
}

// Create keeps the key, unless there is one.
func (k *storedKey) Create(ctx context.Context, key []byte) ([]byte, error) {
	if k.readOnly {
		key, first := k.made.keep(key)
		if first {
			k.log.WarnContext(ctx, "the registry is read-only, so the key of tokens is not kept: a restart makes them invalid")
		}
		return key, nil
	}
	if made := k.made.get(); made != nil { // of before the registry could be written
		key = made
	}
	kept, err := k.registry.KeepSecret(ctx, registry.TokenKeys, key)
	if err == nil {
		k.made.forget() // who removes it from the store wants another one
	}
	return kept, err
}

// signIns is the Authenticator as httpapi asks it.
type signIns struct {
	*authn.Authenticator
	// active says that somebody can sign in by what a request carries.
	active bool
}

// Authenticate says who sends a request.
func (s signIns) Authenticate(r *http.Request) (access.Identity, access.SignIn, error) {
	identity, outcome, err := s.AuthenticateRequest(r)
	if err != nil || outcome.Rejected {
		credentials, _ := s.Credentials(r) // that it cannot be read is err
		outcome.Failed = s.Failed(credentials, outcome, err)
	}
	return identity, outcome.SignIn, err
}

// Challenge says how to sign in, nothing where nobody can.
func (s signIns) Challenge(r *http.Request, req *access.Request) string {
	if !s.active {
		return ""
	}
	scope := ""
	if needed, ok := access.NeededGrant(req); ok {
		scope = needed.String()
	}
	return s.Authenticator.Challenge(r, scope)
}

// Token answers a request to the token service, also one whose credential failed and is not needed.
func (s signIns) Token(r *http.Request) (token any, failed *access.SignInError, err error) {
	if !s.active {
		return nil, nil, access.ErrNoTokens
	}
	request, err := s.ReadTokenRequest(r)
	if err != nil {
		return nil, nil, err
	}
	answer, err := s.Authenticator.Token(r.Context(), request)
	if failed := s.Failed(request.Credentials, authn.Outcome{}, err); failed != nil {
		return nil, nil, failed
	}
	return answer, s.Failed(request.Credentials, authn.Outcome{}, answer.Refused), err
}
