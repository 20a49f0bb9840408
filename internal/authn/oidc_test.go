package authn

import (
	"crypto/sha256"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	now := time.Now()
	tests := []struct {
		name   string
		config func(*ProviderConfig)
		claims map[string]any
		want   rejection // "" = accepted
	}{
		{name: "a good token"},
		{name: "several audiences, ours among them", claims: map[string]any{"aud": []string{"other", "sreg"}}},
		{name: "another audience", claims: map[string]any{"aud": "other"}, want: errAudience},
		{name: "no audience", claims: map[string]any{"aud": nil}, want: errAudience},
		{name: "an audience that is an object", claims: map[string]any{"aud": map[string]any{"sreg": true}}, want: errTokenForm},
		{name: "an audience that only begins like ours", claims: map[string]any{"aud": "sreg2"}, want: errAudience},
		{name: "any audience where none is configured", config: func(c *ProviderConfig) { c.Audience = nil }, claims: map[string]any{"aud": "other"}},
		{name: "expired within the clock skew", claims: map[string]any{"exp": now.Add(-30 * time.Second).Unix()}},
		{name: "expired", claims: map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}, want: errExpired},
		{name: "expired within a skew of nothing", config: func(c *ProviderConfig) { c.ClockSkew = 0 }, claims: map[string]any{"exp": now.Add(-time.Second).Unix()}, want: errExpired},
		{name: "no expiry", claims: map[string]any{"exp": nil}, want: errNoEnd},
		{name: "an expiry in year 99999999", claims: map[string]any{"exp": 1e18}, want: errNoEnd},
		{name: "a negative expiry", claims: map[string]any{"exp": -1}, want: errNoEnd},
		{name: "not valid yet", claims: map[string]any{"nbf": now.Add(2 * time.Minute).Unix()}, want: errNotYet},
		{name: "not valid yet, within the clock skew", claims: map[string]any{"nbf": now.Add(30 * time.Second).Unix()}},
		{name: "issued in the future", claims: map[string]any{"iat": now.Add(2 * time.Minute).Unix()}, want: errNotYet},
		{name: "no subject", claims: map[string]any{"sub": nil}, want: errNoSubject},
		{name: "a required claim", config: require("repository_owner", "acme"), claims: map[string]any{"repository_owner": "acme"}},
		{name: "a required claim that is missing", config: require("repository_owner", "acme"), want: errClaim},
		{name: "a required claim of another value", config: require("repository_owner", "acme"), claims: map[string]any{"repository_owner": "acme2"}, want: errClaim},
		{name: "a required claim in other letters", config: require("repository_owner", "acme"), claims: map[string]any{"Repository_Owner": "acme"}, want: errClaim},
		{name: "a required claim in a list", config: require("groups", "dev"), claims: map[string]any{"groups": []string{"ops", "dev"}}},
		{name: "a required claim in an object", config: require("realm_access.roles", "push"), claims: map[string]any{"realm_access": map[string]any{"roles": []string{"push"}}}},
		{name: "a required claim that is true", config: require("email_verified", "true"), claims: map[string]any{"email_verified": true}},
		{name: "a required claim that is a number", config: require("project_id", "42"), claims: map[string]any{"project_id": 42}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withIssuer(t, i, tt.config)
			token := i.token(t, tt.claims)
			for _, c := range []Credentials{bearer(token), basic("ci", token)} {
				identity, outcome := ask(t, f.Authenticator, c)
				want := acceptedBy(OIDC, outcome.Until)
				if tt.want == "" && outcome.Until.IsZero() {
					t.Error("the sign-in has no end, want the token's")
				}
				if tt.want != "" {
					want = rejectedFor(tt.want)
				}
				if outcome != want || identity.Anonymous() != (tt.want != "") {
					t.Errorf("got %+v, %+v, want %+v", identity, outcome, want)
				}
			}
		})
	}
}

func require(name, value string) func(*ProviderConfig) {
	return func(c *ProviderConfig) { c.RequiredClaims = []ClaimConfig{{Name: name, Value: value}} }
}

// TestATokenOfAGitHubJob has the claims that GitHub's documentation lists.
func TestATokenOfAGitHubJob(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, func(c *ProviderConfig) {
		c.Preset = "github-actions"
		c.RequiredClaims = []ClaimConfig{{"repository_owner", "acme"}}
	})
	said := map[string]any{
		"sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app", "repository_owner": "acme", "ref": "refs/heads/main",
		"ref_protected": "true", "run_attempt": "1", "workflow": "release", "job_workflow_ref": "acme/app/.github/workflows/release.yml@refs/heads/main",
	}
	identity, _ := ask(t, f.Authenticator, basic("ci", i.token(t, said)))
	if identity.OIDC == nil || identity.ID != "ci/repo:acme/app:ref:refs/heads/main" || identity.Username != "" {
		t.Fatalf("got %+v, want the job", identity)
	}
	for name, want := range said {
		if got := identity.OIDC.Claims[name]; !reflect.DeepEqual(got, want) {
			t.Errorf("claim %s: got %v, want %v", name, got, want)
		}
	}
}

func TestClaimsFillUsernameAndGroups(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, func(c *ProviderConfig) { c.UsernameClaim, c.GroupsClaim = "email", "realm_access.roles" })
	identity, _ := ask(t, f.Authenticator, bearer(i.token(t, map[string]any{
		"email": "a@acme.test", "realm_access": map[string]any{"roles": []any{"dev", 7, "ops"}},
	})))
	if identity.Username != "a@acme.test" || !reflect.DeepEqual(identity.Groups, []string{"dev", "ops"}) {
		t.Errorf("got %+v, want the user and groups of the claims", identity)
	}
	identity, _ = ask(t, f.Authenticator, bearer(i.token(t, map[string]any{"email": 7})))
	if identity.Username != "" || identity.Groups != nil {
		t.Errorf("got %+v, want neither user nor groups", identity)
	}
}

func TestThreatTokenReplayToAnotherAudience(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	for _, audience := range []any{"https://registry.other.test", []string{"a", "b"}, "", nil, []any{}} {
		if identity, _ := ask(t, f.Authenticator, bearer(i.token(t, map[string]any{"aud": audience}))); !identity.Anonymous() {
			t.Errorf("audience %v: got %+v, want nobody", audience, identity)
		}
	}
	var warned []string
	config := f.opts.Config
	config.OIDC = []ProviderConfig{{Name: "ci", Issuer: i.url}}
	config.Warn(func(path, _ string) { warned = append(warned, path) })
	if len(warned) != 1 || warned[0] != "oidc[0].audience" {
		t.Errorf("got warnings of %v, want one of a missing audience", warned)
	}
}

func TestATokenIsForItsProviderAlone(t *testing.T) {
	t.Parallel()
	one, two := newIssuer(t), newIssuer(t)
	f := newFixture(t, func(f *fixture) {
		for name, i := range map[string]*issuer{"one": one, "two": two} {
			config := DefaultProvider()
			config.Name, config.Issuer, config.Audience = name, i.url, []string{"sreg"}
			f.opts.Config.OIDC = append(f.opts.Config.OIDC, config)
		}
	})
	token := one.token(t, nil)
	if identity, _ := ask(t, f.Authenticator, basic("one", token)); identity.ID != "one/subject" {
		t.Errorf("got %+v, want one/subject", identity)
	}
	// Also once it is remembered.
	if identity, _ := ask(t, f.Authenticator, basic("two", token)); !identity.Anonymous() {
		t.Errorf("got %+v with the token of another provider, want nobody", identity)
	}
	if identity, _ := ask(t, f.Authenticator, bearer(token)); identity.ID != "one/subject" {
		t.Errorf("got %+v, want one/subject", identity)
	}
}

// TestARememberedTokenOfAProviderEnds: what is remembered of a token counts no longer than the token.
func TestARememberedTokenOfAProviderEnds(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	token := i.token(t, nil)
	key := sha256.Sum256([]byte(token))
	for _, shown := range []Credentials{bearer(token), basic("ci", token)} {
		ask(t, f.Authenticator, shown)
		known, _ := f.opts.State.tokens.Get(key)
		ended := *known
		ended.until = time.Now().Add(-time.Second)
		f.opts.State.tokens.Put(key, &ended, 1)
		ask(t, f.Authenticator, shown)
		if now, _ := f.opts.State.tokens.Get(key); now == &ended {
			t.Error("a token that has ended was believed from memory")
		}
	}
}

func TestATokenIsVerifiedOnce(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	token := i.token(t, nil)
	ask(t, f.Authenticator, bearer(token))
	first, _ := f.opts.State.tokens.Get(sha256.Sum256([]byte(token)))
	ask(t, f.Authenticator, basic("ci", token))
	second, _ := f.opts.State.tokens.Get(sha256.Sum256([]byte(token)))
	if first == nil || first != second {
		t.Errorf("the token was verified anew")
	}
	f.opts.Config.OIDC[0].RequiredClaims = []ClaimConfig{{"repository_owner", "acme"}}
	if identity, _ := ask(t, f.again(t), bearer(token)); !identity.Anonymous() {
		t.Errorf("got %+v after the provider's config changed, want nobody", identity)
	}
}

func TestARealProvider(t *testing.T) {
	t.Parallel()
	z := newZitadel(t)
	f := newFixture(t, func(f *fixture) {
		config := DefaultProvider()
		config.Name, config.Issuer, config.Audience = "sso", z.url, []string{"web"}
		config.UsernameClaim, config.GroupsClaim = "email", "groups"
		config.ClockSkew = 0
		f.opts.Config.OIDC = []ProviderConfig{config}
	})
	must(t, f.Prepare(t.Context()))

	token := z.signIn(t)
	for _, c := range []Credentials{bearer(token), basic("sso", token), bearer(tokenFor(t, f.Authenticator, basic("sso", token)).Token)} {
		identity, outcome := ask(t, f.Authenticator, c)
		if identity.ID != "sso/id2" || identity.Username != "test-user@zitadel.ch" || !slices.Equal(identity.Groups, []string{"dev", "ops"}) {
			t.Fatalf("got %+v, %+v, want user id2 in dev and ops", identity, outcome)
		}
	}

	for _, key := range []string{"second", "third"} {
		z.rotate(t, key)
		if identity, outcome := ask(t, f.Authenticator, bearer(z.signIn(t))); identity.ID != "sso/id2" {
			t.Fatalf("after the keys rotated: got %+v, want id2", outcome)
		}
	}
	if identity, _ := ask(t, f.Authenticator, bearer(token)); identity.ID != "sso/id2" {
		t.Error("the token of the first key is not remembered")
	}

	z.life = 2 * time.Second
	short := z.signIn(t)
	if answer := tokenFor(t, f.Authenticator, basic("sso", short)); answer.ExpiresIn > 2 {
		t.Errorf("our token lives for %d s, want no longer than the provider's", answer.ExpiresIn)
	}
	z.life = -time.Second
	if _, outcome := ask(t, f.Authenticator, bearer(z.signIn(t))); outcome.Reason != string(errExpired) {
		t.Errorf("an expired token: got %+v, want %s", outcome, errExpired)
	}
}
