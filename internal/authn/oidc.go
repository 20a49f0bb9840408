package authn

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/sreg-project/sreg/internal/access"
)

const (
	// maxName bounds a user name and a group that a claim holds.
	maxName = 255
	// maxGroups bounds the groups that a claim holds.
	maxGroups = 1000
)

// provider verifies the tokens of one OIDC provider.
type provider struct {
	config      ProviderConfig
	fingerprint string // of the config
	algorithms  []jose.SignatureAlgorithm
	keys        *keySet
}

func newProvider(config ProviderConfig, keys *keySet) *provider {
	text, _ := json.Marshal(config) // texts and numbers: never fails
	sum := sha256.Sum256(text)
	p := &provider{config: config, fingerprint: base64.RawURLEncoding.EncodeToString(sum[:12]), keys: keys}
	for _, name := range config.Algorithms {
		p.algorithms = append(p.algorithms, jose.SignatureAlgorithm(name))
	}
	return p
}

// signatures is the keys as go-oidc wants them. It keeps the error, whose kind go-oidc drops.
type signatures struct {
	provider *provider
	err      error
}

func (s *signatures) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := s.provider.keys.verify(ctx, token, s.provider.algorithms)
	s.err = err
	return payload, err
}

// verify reads a token and believes it, or says why not.
func (p *provider) verify(ctx context.Context, token string) (*verified, error) {
	if !compact(token) {
		return nil, errTokenForm
	}
	keys := &signatures{provider: p, err: errTokenForm} // as long as nobody has come to the signature
	verifier := oidc.NewVerifier(p.config.Issuer, keys, &oidc.Config{
		SupportedSigningAlgs: p.config.Algorithms,
		SkipIssuerCheck:      true, // go-oidc finds iss in whatever case: see check
		SkipClientIDCheck:    true, // there may be several audiences: see check
		SkipExpiryCheck:      true, // go-oidc knows no clock skew: see check
	})
	read, err := verifier.Verify(ctx, token)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && keys.err != nil:
		return nil, keys.err
	case err != nil:
		return nil, errTokenForm
	}
	var claims map[string]any
	if err := read.Claims(&claims); err != nil {
		return nil, errTokenForm
	}
	return p.check(claims, time.Now())
}

// check looks at what a signed token says. The names of claims count as they are written: readers that
// fold their case could be told something else.
func (p *provider) check(claims map[string]any, now time.Time) (*verified, error) {
	end, ok := timeClaim(claims, "exp")
	skew := p.config.ClockSkew
	subject, _ := claims["sub"].(string)
	issuer, _ := claims["iss"].(string)
	switch {
	case !ok:
		return nil, errNoEnd
	case !now.Before(end.Add(skew)):
		return nil, errExpired
	case subject == "":
		return nil, errNoSubject
	case !sameIssuer(p.config.Issuer, issuer):
		return nil, errIssuer
	case len(p.config.Audience) > 0 && !slices.ContainsFunc(texts(claims["aud"]), func(a string) bool { return slices.Contains(p.config.Audience, a) }):
		return nil, errAudience
	}
	for _, name := range []string{"nbf", "iat"} {
		_, there := claims[name]
		begin, ok := timeClaim(claims, name)
		if there && (!ok || now.Add(skew).Before(begin)) {
			return nil, errNotYet
		}
	}
	for _, required := range p.config.RequiredClaims {
		if !has(lookup(claims, required.Name), required.Value) {
			return nil, errClaim
		}
	}
	return p.accept(claims, subject, end), nil
}

// sameIssuer compares exactly, but for Google, whose tokens may leave out the scheme (Google for
// Developers, "Verify the Google ID token").
func sameIssuer(configured, issuer string) bool {
	return configured == issuer || (configured == "https://accounts.google.com" && issuer == "accounts.google.com")
}

func (p *provider) accept(claims map[string]any, subject string, end time.Time) *verified {
	found := &verified{
		method: OIDC, provider: p.fingerprint, end: end, until: end.Add(p.config.ClockSkew),
		identity: access.Identity{
			ID:   p.config.Name + "/" + subject,
			OIDC: &access.OIDC{Provider: p.config.Name, Subject: subject, Claims: claims},
		},
	}
	if p.config.UsernameClaim != "" {
		if name, ok := lookup(claims, p.config.UsernameClaim).(string); ok && len(name) <= maxName {
			found.identity.Username = name
		}
	}
	if p.config.GroupsClaim != "" {
		for _, group := range texts(lookup(claims, p.config.GroupsClaim)) {
			if len(group) <= maxName && len(found.identity.Groups) < maxGroups {
				found.identity.Groups = append(found.identity.Groups, group)
			}
		}
	}
	return found
}

// lookup finds a claim by its name, or by a path of names with dots between them: Keycloak's roles are in
// realm_access.roles.
func lookup(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok {
		return value
	}
	first, rest, ok := strings.Cut(name, ".")
	inner, object := claims[first].(map[string]any)
	if !ok || !object {
		return nil
	}
	return lookup(inner, rest)
}

// texts are the texts of a claim that is one or a list of them.
func texts(claim any) []string {
	switch claim := claim.(type) {
	case string:
		return []string{claim}
	case []any:
		var list []string
		for _, item := range claim {
			if text, ok := item.(string); ok {
				list = append(list, text)
			}
		}
		return list
	}
	return nil
}

// has says that a claim is a value, or a list with it.
func has(claim any, value string) bool {
	switch claim := claim.(type) {
	case string:
		return claim == value
	case bool:
		return strconv.FormatBool(claim) == value
	case float64:
		return strconv.FormatFloat(claim, 'f', -1, 64) == value
	case []any:
		return slices.ContainsFunc(claim, func(item any) bool {
			_, nested := item.([]any)
			return !nested && has(item, value)
		})
	}
	return false
}

// timeClaim reads a NumericDate (RFC 7519): seconds since 1970, with a fraction or without.
func timeClaim(claims map[string]any, name string) (time.Time, bool) {
	seconds, ok := claims[name].(float64)
	if !ok || math.IsNaN(seconds) || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// compact says that a token is three parts in base64url (RFC 7515, section 7.1) and nothing else: parsers
// that are kinder would make several texts of one token.
func compact(token string) bool {
	dots := 0
	for i := range len(token) {
		switch c := token[i]; {
		case c == '.':
			dots++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return dots == 2
}

// issuerOf reads who a token says that it is of. Nobody believes it before the signature was verified.
func issuerOf(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, ok := strings.Cut(rest, ".")
	if !ok {
		return ""
	}
	content, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(content, &claims) != nil {
		return ""
	}
	return claims.Issuer
}
