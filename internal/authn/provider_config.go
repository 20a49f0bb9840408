package authn

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"
)

// ProviderConfig is one OIDC provider. Its algorithms are those with a public key: whoever can verify HS256
// can sign with it, and none is no signature.
type ProviderConfig struct {
	Name           string        `mapstructure:"name" required:"true" pattern:"^[a-z0-9][a-z0-9._-]{0,62}$" want:"lower-case letters, digits, ., - and _" doc:"What identity.oidc.provider_name holds, and the user name with which a token is a password."`
	Preset         string        `mapstructure:"preset" enum:"github-actions,gitlab,google,okta,auth0,keycloak,azure,kubernetes" doc:"Left out = none. Fills issuer, username_claim and groups_claim where they are empty."`
	Issuer         string        `mapstructure:"issuer" doc:"The provider's URL, exactly as its tokens have it in iss."`
	JWKSURI        string        `mapstructure:"jwks_uri" doc:"Where its keys are. Empty = the provider's discovery document says it."`
	Audience       []string      `mapstructure:"audience" doc:"A token must be made for one of these (aud). Empty = for anybody, which config validate warns of."`
	RequiredClaims []ClaimConfig `mapstructure:"required_claims" doc:"Claims that a token must have, all of them."`
	UsernameClaim  string        `mapstructure:"username_claim" doc:"The claim that fills identity.username. Empty = none."`
	GroupsClaim    string        `mapstructure:"groups_claim" doc:"The claim that fills identity.groups: a list of texts, or one text. Empty = none."`
	Algorithms     []string      `mapstructure:"algorithms" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" doc:"How tokens may be signed; public keys only."`
	ClockSkew      time.Duration `mapstructure:"clock_skew" doc:"How far the clocks of provider and registry may be apart."`
	CAFile         string        `mapstructure:"ca_file" config:"file" doc:"The CAs of the provider's own certificate in PEM. Empty = those of the system."`
}

// ClaimConfig is a claim that a token must have.
type ClaimConfig struct {
	Name  string `mapstructure:"name" required:"true" pattern:"." want:"the name of a claim" doc:"The name of the claim."`
	Value string `mapstructure:"value" required:"true" doc:"Its value, or one of its values if it is a list; true, false and numbers as JSON writes them."`
}

// DefaultProvider is what a provider begins with.
func DefaultProvider() ProviderConfig {
	return ProviderConfig{Algorithms: []string{"RS256", "ES256"}, ClockSkew: time.Minute}
}

const maxClockSkew = 10 * time.Minute

// Validate reports what is wrong: the path below the provider, and the problem.
func (p ProviderConfig) Validate(report func(path, problem string)) {
	p = p.Complete()
	switch {
	case p.Issuer == "" && p.Preset != "":
		report("issuer", "is missing; for "+p.Preset+" it looks like "+presets[p.Preset].looksLike)
	case p.Issuer == "":
		report("issuer", "is missing, want the provider's URL")
	default:
		validateURL(p.Issuer, "issuer", report)
	}
	if p.JWKSURI != "" {
		validateURL(p.JWKSURI, "jwks_uri", report)
	}
	if len(p.Algorithms) == 0 {
		report("algorithms", "want at least one, such as RS256")
	}
	if p.ClockSkew > maxClockSkew {
		report("clock_skew", fmt.Sprintf("want at most %s, got %s", maxClockSkew, p.ClockSkew))
	}
	if slices.Contains(p.Audience, "") {
		report("audience", "want no empty text")
	}
}

// validateURL wants https, but for this computer itself: whoever can change the keys on their way can
// sign in as anybody.
func validateURL(s, path string, report func(path, problem string)) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || (path == "issuer" && u.RawQuery != ""):
		report(path, "want a URL such as https://idp.example.com")
	case u.Scheme == "https" || (u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())):
	default:
		report(path, fmt.Sprintf("want https, got %q", s))
	}
}

// preset is what is known of a provider.
type preset struct {
	issuer, username, groups string
	looksLike                string // an issuer, where each customer has another
	public                   bool   // the issuer signs for everybody who has an account there
}

// presets are the providers that are known by name. One whose issuer is everybody's fills no user name:
// anybody could choose that of somebody else.
var presets = map[string]preset{
	// GitHub Docs, "OpenID Connect reference": the issuer; claims such as repository and ref.
	"github-actions": {issuer: "https://token.actions.githubusercontent.com", public: true},
	// GitLab Docs, "OpenID Connect (OIDC) Authentication Using ID Tokens": iss is the URL of the instance.
	"gitlab": {issuer: "https://gitlab.com", public: true},
	// Google for Developers, "OpenID Connect": iss; hd tells the organisation.
	"google": {issuer: "https://accounts.google.com", public: true},
	// Okta Developer, "OpenID Connect & OAuth 2.0 API": issuers of authorization servers; preferred_username
	// of the scope profile; a groups claim if one is added.
	"okta": {looksLike: "https://example.okta.com", username: "preferred_username", groups: "groups"},
	// Auth0 Docs, "ID Token Structure": the issuer is the tenant's domain and ends in a slash; custom claims
	// have names of one's own, so nothing can be filled in.
	"auth0": {looksLike: "https://example.eu.auth0.com/"},
	// Keycloak Documentation, "Server Administration Guide", realms and protocol mappers.
	"keycloak": {looksLike: "https://keycloak.example.com/realms/example", username: "preferred_username", groups: "groups"},
	// Microsoft Learn, "ID token claims reference": preferred_username is not for authorization decisions,
	// so only groups are taken.
	"azure": {looksLike: "https://login.microsoftonline.com/TENANT-ID/v2.0", groups: "groups"},
	// Kubernetes Documentation, "Managing Service Accounts" and "Configure Service Accounts for Pods",
	// service account issuer discovery; sub is system:serviceaccount:NAMESPACE:NAME.
	"kubernetes": {issuer: "https://kubernetes.default.svc.cluster.local", username: "sub"},
}

// Complete fills in what the preset knows.
func (p ProviderConfig) Complete() ProviderConfig {
	known := presets[p.Preset]
	if p.Issuer == "" {
		p.Issuer = known.issuer
	}
	if p.UsernameClaim == "" {
		p.UsernameClaim = known.username
	}
	if p.GroupsClaim == "" {
		p.GroupsClaim = known.groups
	}
	return p
}
