package authn

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/users"
)

// TokenRequest is a request to /token, in either of the forms of the Docker token protocol.
type TokenRequest struct {
	// Credentials are those of the header of a GET, or the user name and password of a POST.
	Credentials Credentials
	// RefreshToken is that of a POST, which stands for the credentials.
	RefreshToken secret.Value
	// Service is who the token shall be for; empty is this registry.
	Service string
	// Scopes are what the client is about to do. The token is for that alone; without one it is for everything.
	Scopes []string
	// Offline asks for a refresh token.
	Offline bool
	// Client is what the program calls itself.
	Client string
}

// login says that the credentials are only to be tried: nothing else is wanted.
func (r TokenRequest) login() bool { return len(r.Scopes) == 0 }

// TokenAnswer is the answer, as JSON.
type TokenAnswer struct {
	Token        string    `json:"token"`
	AccessToken  string    `json:"access_token"`
	ExpiresIn    int       `json:"expires_in"`
	IssuedAt     time.Time `json:"issued_at"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	Scope        string    `json:"scope,omitempty"`
	// Refused is why the credentials were not accepted where the token is nobody's for that.
	Refused error `json:"-"`
}

// Format shows nothing of the tokens, for every verb.
func (TokenAnswer) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "token ***") // a fmt.State never fails
}

// LogValue shows nothing of the tokens.
func (TokenAnswer) LogValue() slog.Value { return slog.StringValue("token ***") }

// dockerFile are the programs that keep a refresh token in docker's config file, as they call themselves: docker, what is
// built of its registry client, and nerdctl.
var dockerFile = []string{"docker", "registry-client", "containerd-client"}

const (
	maxForm   = 2 * maxCredential
	maxScopes = 100
)

// ReadTokenRequest reads GET (Docker token protocol) and POST (OAuth2: password and refresh_token).
func (a *Authenticator) ReadTokenRequest(r *http.Request) (TokenRequest, error) {
	if r.Method == http.MethodPost {
		return a.readForm(r)
	}
	credentials, err := a.Credentials(r)
	if err != nil {
		return TokenRequest{}, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return TokenRequest{}, fmt.Errorf("%w: malformed query", errTokenRequest)
	}
	return newTokenRequest(query, credentials, query.Get("offline_token") == "true")
}

func (a *Authenticator) readForm(r *http.Request) (TokenRequest, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return TokenRequest{}, fmt.Errorf("%w: want Content-Type application/x-www-form-urlencoded", errTokenRequest)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	switch {
	case err != nil:
		return TokenRequest{}, fmt.Errorf("read form: %w", err)
	case len(body) > maxForm:
		return TokenRequest{}, errTooLarge
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return TokenRequest{}, fmt.Errorf("%w: malformed form", errTokenRequest)
	}
	client, err := a.ClientIP(r)
	if err != nil {
		return TokenRequest{}, err
	}
	credentials := Credentials{Client: client}
	refresh := secret.Value{}
	switch form.Get("grant_type") {
	case "password":
		credentials = Password(form.Get("username"), secret.New(form.Get("password")))
		credentials.Client = client
	case "refresh_token":
		if refresh = secret.New(form.Get("refresh_token")); refresh.Reveal() == "" {
			return TokenRequest{}, fmt.Errorf("%w: refresh_token is missing", errTokenRequest)
		}
	default:
		return TokenRequest{}, fmt.Errorf("%w: want grant_type password or refresh_token", errTokenRequest)
	}
	if len(credentials.secret.Reveal()) > maxCredential || len(refresh.Reveal()) > maxCredential {
		return TokenRequest{}, errTooLarge
	}
	request, err := newTokenRequest(form, credentials, form.Get("access_type") == "offline")
	request.RefreshToken = refresh
	return request, err
}

func newTokenRequest(values url.Values, credentials Credentials, offline bool) (TokenRequest, error) {
	request := TokenRequest{Credentials: credentials, Service: values.Get("service"), Offline: offline, Client: values.Get("client_id")}
	for _, scope := range values["scope"] {
		request.Scopes = append(request.Scopes, strings.Fields(scope)...)
	}
	if len(request.Scopes) > maxScopes {
		return TokenRequest{}, fmt.Errorf("%w: more than %d scopes", errTokenRequest, maxScopes)
	}
	return request, nil
}

// Token answers a token request. Without credentials the token is anonymous. With a credential that no method accepts it
// is, too, unless auth.invalid_credentials is reject or the request has no scope: so docker login asks here.
func (a *Authenticator) Token(ctx context.Context, request TokenRequest) (TokenAnswer, error) {
	if !a.config.Token.Enabled {
		return TokenAnswer{}, access.ErrNoTokens
	}
	if request.Service != "" && request.Service != a.tokens.service {
		return TokenAnswer{}, fmt.Errorf("%w: want service %s", errTokenRequest, a.tokens.service)
	}
	ring, err := a.tokens.load(ctx, true)
	if err != nil {
		return TokenAnswer{}, err
	}
	key := ring.signing()
	who, err := a.whoAsks(ctx, key, request)
	var refused error
	if err != nil {
		if refused = refusal(err); !a.goesOnAsNobody(request, err) {
			return TokenAnswer{}, refused
		}
		who = claims{Use: useAccess}
	}
	if who.Subject != "" && len(request.Scopes) > 0 { // whoever is nobody can leave the token out
		who.Access = &access.ParseScope(request.Scopes).Grants
	}
	refreshes := who.Subject != "" && request.RefreshToken.Reveal() == "" && a.refreshes(request)
	if refreshes {
		who.SignIn = rand.Text() // of both tokens
	}
	text, lifetime, err := a.tokens.issue(key, who, a.config.Token.TTL)
	if err != nil {
		return TokenAnswer{}, err
	}
	answer := TokenAnswer{
		Token: text, AccessToken: text, ExpiresIn: int(lifetime.Round(time.Second) / time.Second), IssuedAt: time.Now().UTC().Truncate(time.Second),
		RefreshToken: request.RefreshToken.Reveal(), Scope: strings.Join(request.Scopes, " "), Refused: refused,
	}
	switch {
	case who.Subject == "":
		answer.RefreshToken = ""
	case refreshes:
		who.Use, who.Access = useRefresh, nil
		answer.RefreshToken, _, err = a.tokens.issue(key, who, a.config.Token.RefreshTTL)
		// By this id it can be revoked.
		a.log.InfoContext(ctx, "a refresh token was given", "username", cmp.Or(who.Username, who.Subject), "client", request.Credentials.Client.Unmap(), "id", who.SignIn)
	}
	return answer, err
}

// refreshes says whether who asks gets a refresh token.
func (a *Authenticator) refreshes(request TokenRequest) bool {
	switch a.config.Token.Refresh {
	case "always":
		return request.Offline
	case "docker":
		return request.Offline && !slices.Contains(dockerFile, request.Client)
	}
	return false
}

// whoAsks finds what the claims of the token are.
func (a *Authenticator) whoAsks(ctx context.Context, key *signingKey, request TokenRequest) (claims, error) {
	if text := request.RefreshToken.Reveal(); text != "" {
		who, err := a.refreshed(ctx, key, text)
		a.state.metrics.count(Token, resultOf(err))
		return who, err
	}
	if request.Credentials.scheme == schemeNone {
		return claims{Use: useAccess}, nil
	}
	found, err := a.verify(ctx, request.Credentials)
	switch {
	case err != nil:
		return claims{}, err
	case found.method == Token:
		// Else whoever has stolen one token could renew it for ever.
		return claims{}, invalid("a token of this registry gets no further one; send a password, an OIDC token or a refresh token")
	}
	return a.describe(key, found)
}

// goesOnAsNobody lets a client with a stale credential go on to what is public, as it may at the registry itself.
func (a *Authenticator) goesOnAsNobody(request TokenRequest, err error) bool {
	var reason rejection
	return errors.As(err, &reason) && reason != errUnavailable && a.config.InvalidCredentials == "next" && !request.login()
}

// refreshed is what a refresh token says, if what it names has not changed.
func (a *Authenticator) refreshed(ctx context.Context, key *signingKey, text string) (claims, error) {
	if a.config.Token.Refresh == "never" {
		return claims{}, errToken
	}
	who, signed, err := a.tokens.read(ctx, text, useRefresh)
	if err != nil {
		return claims{}, err
	}
	found, err := a.resolve(who, signed)
	if err != nil {
		return claims{}, err
	}
	if found.user != "" { // the mark of a user is made with the key that signs
		who.UserFingerprint = key.fingerprint(users.User{Name: found.user, Hash: found.hash})
	}
	who.Use, who.SignIn, who.SignedIn = useAccess, cmp.Or(who.SignIn, who.ID), cmp.Or(who.SignedIn, who.IssuedAt)
	return who, nil
}

// describe makes claims of who was found.
func (a *Authenticator) describe(key *signingKey, found *verified) (claims, error) {
	who := claims{Use: useAccess, Subject: found.identity.ID, Username: found.identity.Username, Groups: found.identity.Groups}
	if found.user != "" {
		who.UserFingerprint = key.fingerprint(users.User{Name: found.user, Hash: found.hash})
		who.Groups = nil // looked up when the token is used, so that they are never stale
		return who, nil
	}
	i := slices.IndexFunc(a.providers, func(p *provider) bool { return p.fingerprint == found.provider })
	if i < 0 || !time.Now().Before(found.end) {
		return claims{}, invalid(string(errExpired))
	}
	who.Provider, who.ProviderFingerprint = a.providers[i].config.Name, found.provider
	who.OIDCSubject, who.OIDCClaims, who.End = found.identity.OIDC.Subject, found.identity.OIDC.Claims, found.end.Unix()
	return who, nil
}

// refusal is an error for the client: a rejection is about its credential, all else is not.
func refusal(err error) error {
	var reason rejection
	switch {
	case errors.Is(err, errUnavailable):
		return access.ErrSignInUnavailable
	case errors.As(err, &reason):
		return invalid(string(reason))
	}
	return err
}
