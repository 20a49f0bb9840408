package authn

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/users"
)

const (
	// ownSkew is how far the clocks of instances may be apart.
	ownSkew = 10 * time.Second

	useAccess  = "access"
	useRefresh = "refresh"
)

// claims are what a token of our own contains: who signed in, and until when it is valid. There is nothing in it of
// certificates and addresses, which belong to the connection, nor of what may be done.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	// SignIn is the id of the sign-in that the token came from, by way of a refresh token; empty if it is its own.
	SignIn string `json:"sid,omitempty"`
	// SignedIn is when that sign-in was: a token that a refresh token gave is as old as it. 0 is IssuedAt.
	SignedIn  int64  `json:"auth_time,omitempty"`
	Use       string `json:"use"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`

	// Access is what the token is for, nil for everything.
	Access *[]access.Grant `json:"access,omitempty"`
	// Subject is the identity's id, empty for anybody.
	Subject  string   `json:"sub,omitempty"`
	Username string   `json:"username,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	// UserFingerprint says which password the user had.
	UserFingerprint string `json:"user_mark,omitempty"`

	Provider            string         `json:"provider,omitempty"`
	ProviderFingerprint string         `json:"provider_mark,omitempty"`
	OIDCSubject         string         `json:"oidc_sub,omitempty"`
	OIDCClaims          map[string]any `json:"oidc_claims,omitempty"`
	// End is the end of the OIDC token.
	End int64 `json:"end,omitempty"`
}

// verified is a credential that was accepted, and all that it depends on.
type verified struct {
	method   Method
	identity access.Identity // what the token says; of a user only the name
	until    time.Time
	end      time.Time // of the OIDC token, or of the user; zero is never
	provider string    // the fingerprint of the provider
	scope    *access.Scope
	user     string
	hash     users.Hash
	issuer   string // of our own tokens: the id of the key, and the service
	mark     tokenMark
}

// cost is how much memory a token takes, in bytes: decoded claims are several times larger than encoded ones.
func cost(token string) int64 { return int64(4*len(token) + 512) }

// tokens makes and verifies tokens of our own.
type tokens struct {
	config  TokenConfig
	service string // issuer and audience
	store   KeyStore

	revoked func(context.Context) ([]byte, error) // reads the record of what was revoked; nil = nothing is
	log     *slog.Logger

	loading sync.Mutex // held while keys are read: before the first ones are, all who come wait for it
	ring    atomic.Pointer[keyring]
}

// issue signs a token.
func (t *tokens) issue(key *signingKey, who claims, lifetime time.Duration) (string, time.Duration, error) {
	now := time.Now()
	end := now.Add(lifetime)
	if who.End != 0 && time.Unix(who.End, 0).Before(end) {
		end = time.Unix(who.End, 0)
	}
	who.Issuer, who.Audience, who.ID = t.service, t.service, rand.Text()
	who.IssuedAt, who.NotBefore, who.Expires = now.Unix(), now.Unix(), end.Unix()
	text, err := jwt.Signed(key.signer).Claims(who).Serialize()
	if err != nil {
		return "", 0, fmt.Errorf("sign token: %w", err)
	}
	if len(text) > maxCredential {
		return "", 0, errTooLarge
	}
	return text, time.Unix(who.Expires, 0).Sub(now), nil
}

// read verifies that a token is ours, for us, for this use and of this time. Only the key decides: what
// the header says of keys (jwk, jku, x5c, x5u) is not looked at.
func (t *tokens) read(ctx context.Context, token, use string) (claims, *signingKey, error) {
	if !compact(token) {
		return claims{}, nil, errToken
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || len(parsed.Headers) != 1 {
		return claims{}, nil, errToken
	}
	ring, err := t.load(ctx, false)
	if err == nil && ring.find(parsed.Headers[0].KeyID) == nil && time.Since(ring.read) >= unknownEvery {
		ring, err = t.reload(ctx, ring, false) // another instance may have a new one
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return claims{}, nil, errToken // without a key nothing was signed
	case err != nil:
		return claims{}, nil, err
	}
	key := ring.find(parsed.Headers[0].KeyID)
	var who claims
	if key == nil || parsed.Claims(key.public, &who) != nil {
		return claims{}, nil, errToken
	}
	return who, key, t.check(who, use, ring)
}

// check says whether what a token says is for us, for this use and of this time.
func (t *tokens) check(who claims, use string, ring *keyring) error {
	now := time.Now()
	if use == useRefresh {
		// One of before that was given for longer ends, too.
		who.Expires = min(who.Expires, who.IssuedAt+int64(t.config.RefreshTTL/time.Second))
	}
	switch {
	case who.Issuer != t.service || who.Audience != t.service:
		return errAudience
	case who.Use != use:
		return errToken
	case ring.revoked.have(who.mark()):
		return errRevoked
	case now.Unix() >= who.Expires || (who.End != 0 && now.Unix() >= who.End):
		return errExpired
	case now.Add(ownSkew).Unix() < max(who.NotBefore, who.IssuedAt):
		return errNotYet
	}
	return nil
}

// issued says that a token that was verified before has a key and the service of now, and was not revoked since.
func (t *tokens) issued(ctx context.Context, known *verified) bool {
	if !t.config.Enabled {
		return false
	}
	ring, err := t.load(ctx, false)
	if err != nil {
		return false // whoever verifies it once more finds the error, too
	}
	id, service, _ := strings.Cut(known.issuer, " ")
	return ring.find(id) != nil && service == t.service && !ring.revoked.have(known.mark)
}

// verifyOwn reads an access token and finds what it names.
func (a *Authenticator) verifyOwn(ctx context.Context, token string) (*verified, error) {
	who, key, err := a.tokens.read(ctx, token, useAccess)
	if err != nil {
		return nil, err
	}
	return a.resolve(who, key)
}

// resolve finds what a token of our own names: a user who has the same password still, or a provider that has
// the same config.
func (a *Authenticator) resolve(who claims, key *signingKey) (*verified, error) {
	found := &verified{method: Token, until: time.Unix(who.Expires, 0), issuer: key.id + " " + a.tokens.service, mark: who.mark()}
	if who.Access != nil {
		found.scope = &access.Scope{Grants: *who.Access}
	}
	switch {
	case who.UserFingerprint != "":
		user, known := a.passwords.users.Lookup(who.Username)
		if !known || user.Expired(time.Now()) || !hmac.Equal([]byte(key.fingerprint(user)), []byte(who.UserFingerprint)) {
			return nil, errUserGone
		}
		found.user, found.hash = user.Name, user.Hash
	case who.Provider != "":
		if !slices.ContainsFunc(a.providers, func(p *provider) bool {
			return p.config.Name == who.Provider && p.fingerprint == who.ProviderFingerprint
		}) {
			return nil, errProvider
		}
		found.provider, found.end = who.ProviderFingerprint, time.Unix(who.End, 0)
		found.identity = access.Identity{
			ID: who.Subject, Username: who.Username, Groups: who.Groups,
			OIDC: &access.OIDC{Provider: who.Provider, Subject: who.OIDCSubject, Claims: who.OIDCClaims},
		}
	}
	return found, nil
}
