package authn

import (
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/users"
)

// Config is the auth section of sreg's configuration. The struct tags are the single source of the keys'
// names, values and documentation; what a value must mean is for Validate.
type Config struct {
	InvalidCredentials string           `mapstructure:"invalid_credentials" enum:"next,reject" doc:"What happens to a credential that no method accepts. next: the request goes on as anonymous. reject: it is answered 401."`
	Users              []UserConfig     `mapstructure:"users" doc:"Users with a password. They win over one of users_file with the same name."`
	UsersFile          string           `mapstructure:"users_file" config:"private" doc:"A file of further users, a line each: name:hash[:groups[:expires]]. Empty = none."`
	Basic              BasicConfig      `mapstructure:"basic" doc:"How passwords are verified."`
	Throttle           ThrottleConfig   `mapstructure:"throttle" doc:"How guessing passwords is slowed down."`
	Token              TokenConfig      `mapstructure:"token" doc:"The tokens that sreg makes itself, at /token."`
	OIDC               []ProviderConfig `mapstructure:"oidc" doc:"Providers whose OIDC tokens are accepted."`
}

// UserConfig is one user.
type UserConfig struct {
	Name         string       `mapstructure:"name" required:"true" doc:"The user name."`
	PasswordHash secret.Value `mapstructure:"password_hash" required:"true" doc:"The Argon2id or bcrypt hash of the password."`
	Groups       []string     `mapstructure:"groups" doc:"What identity.groups holds."`
	Expires      string       `mapstructure:"expires" doc:"The first day on which the user is refused (2027-01-01), or a time (2027-01-01T12:00:00Z). Empty = never."`
}

// BasicConfig says how passwords are verified.
type BasicConfig struct {
	MaxConcurrent int           `mapstructure:"max_concurrent" min:"0" doc:"Passwords that are verified at once; 0 = half the cores, at least 1."`
	Remember      time.Duration `mapstructure:"remember" doc:"How long a password that was right is not verified again, and longer while wrong passwords of others are in the way; 0 = always verify."`
}

// ThrottleConfig says how guessing is slowed down.
type ThrottleConfig struct {
	Failures int           `mapstructure:"failures" min:"0" doc:"Wrong passwords from one client address for one user name within the window; further ones are answered 429. Ten times as many for all names of the address. 0 = no limit."`
	Window   time.Duration `mapstructure:"window" min:"1" needs:".failures" doc:"How long failures count."`
}

// TokenConfig says how sreg's own tokens are made.
type TokenConfig struct {
	Enabled bool          `mapstructure:"enabled" doc:"Whether clients get tokens at /token. false: they are asked for a password with each request."`
	TTL     time.Duration `mapstructure:"ttl" min:"1" doc:"How long a token lives."`
	// Clients such as docker keep a refresh token in docker's config file in place of the password, and podman, buildah,
	// skopeo and Kubernetes, which read that file, too, want the password.
	Refresh    string        `mapstructure:"refresh" enum:"docker,always,never" doc:"Who gets a refresh token that asks for one. docker: whoever would not keep it in docker's config file, so that podman, skopeo and Kubernetes can use the file of docker login. always: docker and nerdctl, too. never: nobody, and those of before are refused."`
	RefreshTTL time.Duration `mapstructure:"refresh_ttl" min:"1" doc:"How long a refresh token lives. It ends before when its user changes, or with the OIDC token that it came from."`
	KeyFile    string        `mapstructure:"key_file" config:"private" doc:"The Ed25519 key in PEM (PKCS #8) that signs tokens. Empty = it is made once and kept in the metadata store."`
}

// DefaultConfig has no user and no provider.
func DefaultConfig() Config {
	return Config{
		InvalidCredentials: "next",
		Basic:              BasicConfig{Remember: time.Minute},
		Throttle:           ThrottleConfig{Failures: 10, Window: time.Minute},
		Token:              TokenConfig{Enabled: true, TTL: 5 * time.Minute, Refresh: "docker", RefreshTTL: 30 * 24 * time.Hour},
	}
}

// maxTokenTTL bounds how long a token is valid: one that was stolen must not be of use for long.
const maxTokenTTL = 24 * time.Hour

// Longest is how long the tokens live that live longest.
func (c TokenConfig) Longest() time.Duration { return max(c.RefreshTTL, maxTokenTTL) }

// Active says that somebody can sign in with something else than a client certificate.
func (c Config) Active() bool {
	return len(c.Users) > 0 || c.UsersFile != "" || len(c.OIDC) > 0
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	names := map[string]string{} // who has a name
	for i, p := range c.OIDC {
		at := fmt.Sprintf("oidc[%d]", i)
		p.Validate(func(path, problem string) { report(at+"."+path, problem) })
		claimName(names, p.Name, at, report)
	}
	for i, u := range c.Users {
		at := fmt.Sprintf("users[%d]", i)
		u.Validate(func(path, problem string) { report(at+"."+path, problem) })
		claimName(names, u.Name, at, report)
	}
	if c.Token.TTL > maxTokenTTL {
		report("token.ttl", fmt.Sprintf("want at most %s, got %s", maxTokenTTL, c.Token.TTL))
	}
}

// claimName reports a name that is taken: a provider's name is a user name, too.
func claimName(names map[string]string, name, at string, report func(path, problem string)) {
	if first, taken := names[name]; taken && name != "" {
		report(at+".name", fmt.Sprintf("%q is taken by auth.%s", name, first))
		return
	}
	names[name] = at
}

// Validate reports what is wrong with a user.
func (u UserConfig) Validate(report func(path, problem string)) {
	if err := users.CheckName(u.Name); err != nil && u.Name != "" {
		report("name", err.Error())
	}
	if _, err := users.ParseHash(u.PasswordHash.Reveal()); err != nil {
		report("password_hash", err.Error())
	}
	if err := users.CheckGroups(u.Groups); err != nil {
		report("groups", err.Error())
	}
	if u.Expires == "" {
		return
	}
	if _, err := users.ParseExpires(u.Expires); err != nil {
		report("expires", err.Error())
	}
}

// Warn reports what is allowed, but probably a mistake.
func (c Config) Warn(report func(path, problem string)) {
	if c.Active() && !c.Token.Enabled {
		report("token.enabled", "clients such as docker do not pull anonymously where they are asked for a password")
	}
	for i, p := range c.OIDC {
		p = p.Complete()
		if len(p.Audience) == 0 {
			report(fmt.Sprintf("oidc[%d].audience", i), fmt.Sprintf("is missing: a token that %s made for any other service signs in here, too", p.Issuer))
		}
		if known := presets[p.Preset]; known.public && p.Issuer == known.issuer && len(p.RequiredClaims) == 0 {
			report(fmt.Sprintf("oidc[%d].required_claims", i), fmt.Sprintf("is missing: everybody with an account at %s can sign in here", p.Issuer))
		}
	}
}
