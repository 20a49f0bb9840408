package authn

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/users"
)

// Options are what an Authenticator is made of.
type Options struct {
	Config Config
	// Users are those of the config and of the file.
	Users Users
	// Keys keeps the keys of tokens, and Revoked reads the record of what was revoked of them, which Revoke writes.
	Keys    KeyStore
	Revoked func(context.Context) ([]byte, error)
	// Proxies are believed when they tell the address of a client.
	Proxies Proxies
	// ExternalURL is where people reach this registry, nil if that is where they are.
	ExternalURL *url.URL
	// State is what outlives this Authenticator, and Shared what other instances know with it.
	State  *State
	Shared Shared
	Logger *slog.Logger
}

// Authenticator finds out who sends a request. It is never changed, only replaced.
type Authenticator struct {
	Proxies

	config    Config
	providers []*provider
	passwords passwords
	tokens    tokens
	external  string
	state     *State
	log       *slog.Logger
}

// New makes an Authenticator. It asks no provider: Prepare does.
func New(opts Options) (*Authenticator, error) {
	a := &Authenticator{
		config:  opts.Config,
		Proxies: opts.Proxies,
		state:   opts.State,
		log:     opts.Logger.With("module", "authn"),
	}
	a.tokens = tokens{config: opts.Config.Token, service: "sreg", store: opts.Keys, revoked: opts.Revoked, log: a.log}
	if opts.ExternalURL != nil {
		a.tokens.service = opts.ExternalURL.Host
		a.external = strings.TrimSuffix(opts.ExternalURL.String(), "/")
	}
	a.passwords = passwords{
		config: opts.Config, users: opts.Users, queue: newQueue(opts.Config.Basic.MaxConcurrent), state: opts.State, log: a.log,
		throttle: throttle{config: opts.Config.Throttle, counter: opts.State.failures},
	}
	if opts.Shared.Failures != nil {
		a.passwords.throttle.counter = cache.Fallback{All: opts.Shared.Failures, Here: opts.State.failures}
	}
	for i, config := range opts.Config.OIDC {
		if err := a.addProvider(config.Complete(), opts.Shared.Keys); err != nil {
			return nil, errors.Join(setting.Below(fmt.Sprintf("auth.oidc[%d]", i), err), a.Close())
		}
	}
	return a, nil
}

func (a *Authenticator) addProvider(config ProviderConfig, copies cache.Cache) error {
	source, roots, err := config.source(copies)
	if err != nil {
		return err
	}
	a.providers = append(a.providers, newProvider(config, a.state.acquire(source, roots, a.log)))
	return nil
}

// Prepare gets ready before the first request: it makes the key of tokens if there is none, and fetches
// the keys of providers. A provider that cannot be reached is a warning; it is asked again when a token
// comes.
func (a *Authenticator) Prepare(ctx context.Context) error {
	var work sync.WaitGroup
	for _, p := range a.providers {
		if !p.keys.empty() || p.keys.copied(ctx) {
			continue
		}
		work.Go(func() { // ends with the fetch, its time-out or ctx
			_ = p.keys.fetch(ctx) // it logs why not
		})
	}
	work.Wait()
	if !a.config.Token.Enabled {
		return nil
	}
	_, err := a.tokens.load(ctx, true)
	return err
}

// CheckKey says whether the key that signs tokens can be used, if there is one. It creates nothing.
func (a *Authenticator) CheckKey(ctx context.Context) error {
	if !a.config.Token.Enabled {
		return nil
	}
	_, err := a.tokens.load(ctx, false)
	if errors.Is(err, fs.ErrNotExist) && a.config.Token.KeyFile == "" {
		return nil // Prepare makes it
	}
	return err
}

// Close gives up what the Authenticator holds. It must not be in use any more.
func (a *Authenticator) Close() error {
	for _, p := range a.providers {
		a.state.release(p.keys)
	}
	return nil
}

// Outcome says how an identity was found.
type Outcome struct {
	access.SignIn
	// Method accepted the credential. None is a request without one, or with one that nothing accepted;
	// MTLS is a certificate alone.
	Method Method
}

// endsBy notes another end, unless it is never.
func (o *Outcome) endsBy(end time.Time) {
	if !end.IsZero() && (o.Until.IsZero() || end.Before(o.Until)) {
		o.Until = end
	}
}

func rejectedFor(reason rejection) Outcome {
	return Outcome{SignIn: access.SignIn{Rejected: true, Reason: string(reason), Unavailable: reason == errUnavailable}}
}

// AuthenticateRequest is Credentials and Authenticate.
func (a *Authenticator) AuthenticateRequest(r *http.Request) (access.Identity, Outcome, error) {
	credentials, err := a.Credentials(r)
	if err != nil {
		return access.Identity{ClientIP: credentials.Client}, rejectedFor(""), err
	}
	return a.Authenticate(r.Context(), credentials)
}

// Credentials reads the credentials of a request. Where nobody can sign in an Authorization header is none: a proxy that
// asks for a password of its own sends it on.
func (a *Authenticator) Credentials(r *http.Request) (credentials Credentials, err error) {
	client, err := a.ClientIP(r)
	if err != nil {
		return Credentials{}, err
	}
	if a.config.Active() {
		credentials, err = readAuthorization(r.Header)
	}
	credentials.Client = client
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && len(r.TLS.VerifiedChains[0]) > 0 {
		credentials.Certificate = r.TLS.VerifiedChains[0][0]
	}
	return credentials, err
}

// Authenticate finds out whose the credentials are. If no method accepts them, the identity is anonymous but for its
// certificate, and Outcome says so; with auth.invalid_credentials: reject that is an error.
// Errors are ErrThrottled, ErrSignInBusy, ErrInvalidCredentials and ErrSignInUnavailable of access, that of
// ctx, and those of the store of the key.
func (a *Authenticator) Authenticate(ctx context.Context, c Credentials) (access.Identity, Outcome, error) {
	identity := access.Identity{ClientIP: c.Client}
	outcome := Outcome{}
	if c.Certificate != nil && !time.Now().Before(c.Certificate.NotAfter) {
		// It was valid at the handshake, but the connection is still open.
		a.state.metrics.count(MTLS, rejected)
		outcome = rejectedFor(errCertificate)
	} else if c.Certificate != nil {
		a.state.metrics.count(MTLS, accepted)
		identity.Certificate = a.state.certificate(c.Certificate)
		outcome.Method = MTLS
		outcome.endsBy(c.Certificate.NotAfter)
	}
	if c.scheme == schemeNone {
		return identity, outcome, nil
	}
	found, err := a.verify(ctx, c)
	var reason rejection
	switch {
	case errors.As(err, &reason):
		outcome.Rejected, outcome.Reason, outcome.Unavailable = true, string(reason), reason == errUnavailable
		if a.config.InvalidCredentials == "reject" {
			return identity, outcome, refusal(err)
		}
		return identity, outcome, nil
	case err != nil:
		return identity, outcome, err
	}
	identity.ID, identity.Username = found.identity.ID, found.identity.Username
	identity.Groups, identity.OIDC = found.identity.Groups, found.identity.OIDC
	outcome.Method, outcome.Token, outcome.Scope = found.method, found.method == Token, found.scope
	outcome.endsBy(found.until)
	outcome.endsBy(found.end)
	return identity, outcome, nil
}

// Failed is what is kept of a credential that was refused, nil if none was.
func (a *Authenticator) Failed(c Credentials, outcome Outcome, err error) *access.SignInError {
	if err == nil && outcome.Rejected {
		err = invalid(outcome.Reason)
	}
	if !errors.Is(err, access.ErrInvalidCredentials) && !errors.Is(err, access.ErrThrottled) && !errors.Is(err, access.ErrSignInUnavailable) {
		return nil
	}
	failed := &access.SignInError{Client: c.Client, Err: err}
	if _, known := a.passwords.users.Lookup(c.user); known {
		failed.Username = c.user
	}
	return failed
}

// verify asks one method after the other. The rejection is that of the last method that knows such credentials.
func (a *Authenticator) verify(ctx context.Context, c Credentials) (*verified, error) {
	switch c.scheme {
	case schemeBasic:
		return a.verifyBasic(ctx, c)
	case schemeBearer:
		return a.verifyBearer(ctx, c.secret.Reveal())
	case schemeMalformed:
		a.state.metrics.count(None, rejected)
		return nil, errMalformed
	default:
		a.state.metrics.count(None, rejected)
		return nil, errScheme
	}
}

// verifyBasic verifies a password. If the user name is that of a provider, the password is a token.
func (a *Authenticator) verifyBasic(ctx context.Context, c Credentials) (*verified, error) {
	for _, p := range a.providers {
		if p.config.Name != c.user {
			continue
		}
		found, err := a.verifyOIDC(ctx, c.secret.Reveal(), []*provider{p})
		if _, known := a.passwords.users.Lookup(c.user); err == nil || !known {
			return found, err
		}
	}
	user, err := a.passwords.authenticate(ctx, c)
	a.state.metrics.count(Basic, resultOf(err))
	if err != nil {
		return nil, err
	}
	return ofUser(Basic, user), nil
}

// ofUser is what is known of a user who signed in.
func ofUser(method Method, user users.User) *verified {
	return &verified{method: method, user: user.Name, hash: user.Hash, end: user.Expires, identity: IdentityOf(user)}
}

// verifyBearer verifies a token of a provider, if its issuer is one's, else one of our own.
func (a *Authenticator) verifyBearer(ctx context.Context, token string) (*verified, error) {
	if found := a.remembered(ctx, token, nil); found != nil {
		return found, nil
	}
	if of := a.providersOf(token); len(of) > 0 {
		return a.verifyOIDC(ctx, token, of) // our own tokens have another issuer
	}
	if !a.config.Token.Enabled {
		a.state.metrics.count(None, rejected)
		return nil, errToken
	}
	found, err := a.verifyOwn(ctx, token)
	a.state.metrics.count(Token, resultOf(err))
	if err != nil {
		return nil, err
	}
	return a.remember(ctx, token, found), nil
}

// verifyOIDC asks the providers whether the token is theirs. Several may have the same issuer.
func (a *Authenticator) verifyOIDC(ctx context.Context, token string, providers []*provider) (found *verified, err error) {
	for _, p := range providers {
		if found := a.remembered(ctx, token, p); found != nil {
			return found, nil
		}
		found, err = p.verify(ctx, token)
		if err == nil {
			break
		}
	}
	a.state.metrics.count(OIDC, resultOf(err))
	if err != nil {
		return nil, err
	}
	return a.remember(ctx, token, found), nil
}

func (a *Authenticator) providersOf(token string) []*provider {
	if len(a.providers) == 0 {
		return nil
	}
	issuer := issuerOf(token)
	var of []*provider
	for _, p := range a.providers {
		if sameIssuer(p.config.Issuer, issuer) {
			of = append(of, p)
		}
	}
	return of
}

// remembered finds a token that was verified before and is still valid. If it came as a password, p is the provider
// that the user name is of.
func (a *Authenticator) remembered(ctx context.Context, token string, p *provider) *verified {
	known, ok := a.state.tokens.Get(sha256.Sum256([]byte(token)))
	if !ok || !time.Now().Before(known.until) || (p != nil && (known.method != OIDC || known.provider != p.fingerprint)) {
		return nil
	}
	found := a.current(ctx, known)
	if found != nil {
		a.state.metrics.count(found.method, accepted)
	}
	return found
}

// current is what a token that was verified before says now: its user is looked up again. It is nil if the user,
// the provider or our key has changed since.
func (a *Authenticator) current(ctx context.Context, known *verified) *verified {
	if known.method == Token && !a.tokens.issued(ctx, known) {
		return nil
	}
	switch {
	case known.user != "":
		user, there := a.passwords.users.Lookup(known.user)
		if !there || user.Hash != known.hash || user.Expired(time.Now()) {
			return nil
		}
		now := ofUser(known.method, user)
		now.until, now.scope = known.until, known.scope
		return now
	case known.provider != "":
		for _, p := range a.providers {
			if p.fingerprint == known.provider {
				return known
			}
		}
		return nil
	}
	return known
}

// remember keeps a token until it ends, and returns what it says now.
func (a *Authenticator) remember(ctx context.Context, token string, found *verified) *verified {
	a.state.tokens.Put(sha256.Sum256([]byte(token)), found, cost(token))
	if now := a.current(ctx, found); now != nil {
		return now
	}
	return found
}

func resultOf(err error) result {
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, access.ErrThrottled):
		return throttled
	case errors.Is(err, errUnavailable):
		return unavailable
	case errors.As(err, new(rejection)):
		return rejected
	case errors.Is(err, access.ErrSignInBusy):
		return busy
	}
	return failed
}
