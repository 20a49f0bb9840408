package authn

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// FuzzAuthorization wants nobody to become somebody by a header that was made up.
func FuzzAuthorization(f *testing.F) {
	fixture := newFixture(f, func(f *fixture) {
		f.opts.Config.Throttle.Failures = 0
		config := DefaultProvider()
		config.Name, config.Issuer, config.JWKSURI = "ci", "http://127.0.0.1:1", "http://127.0.0.1:1/keys"
		f.opts.Config.OIDC = []ProviderConfig{config}
	})
	for _, seed := range []string{"", "Basic", "Basic Og==", basicHeader("alice", "wrong"), "Bearer a.b.c", "bearer  x", "Digest x", "Basic ===", "Bearer " + raw(map[string]any{"alg": "none"}, map[string]any{"iss": "http://127.0.0.1:1"}, nil)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c, err := readAuthorization(http.Header{"Authorization": {header}})
		if err != nil {
			return
		}
		if c.scheme == schemeBasic && c.secret.Reveal() == "right" {
			return // a good guess
		}
		identity, outcome, err := fixture.Authenticate(t.Context(), c)
		if err == nil && (!identity.Anonymous() || outcome.Method != None) {
			t.Errorf("%q: got %+v, %+v", header, identity, outcome)
		}
	})
}

// FuzzToken wants that only the token itself is accepted, and none that is nearly it.
func FuzzToken(f *testing.F) {
	i := newIssuer(f)
	fixture := withIssuer(f, i, nil)
	theirs := i.token(f, map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
	ours := tokenFor(f, fixture.Authenticator, basic("alice", "right")).Token
	for _, seed := range []string{"", ".", "..", "...", theirs, ours, strings.ToUpper(ours), theirs + "=", strings.Replace(ours, ".", "..", 1), `{"payload":""}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		identity, outcome, err := fixture.Authenticate(t.Context(), bearer(token))
		if err == nil && token != theirs && token != ours && (!identity.Anonymous() || outcome.Method != None) {
			t.Errorf("%q: got %+v, %+v", token, identity, outcome)
		}
	})
}

// FuzzForwarded wants that what stands to the left of a trusted proxy's own entry changes nothing.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "for=10.0.0.1", `for="[::1]:1", for=x`, `"`, `\`, "for=1.2.3.4;for=5.6.7.8", "10.0.0.1, 10.0.0.2"} {
		f.Add(seed)
	}
	proxies := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, left string) {
		r := get()
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{left + ", 192.0.2.9"}
		if got, err := proxies.ClientIP(r); err != nil || got.String() != "192.0.2.9" {
			t.Errorf("X-Forwarded-For %q: got %s, %v", left, got, err)
		}
		r = get()
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["Forwarded"] = []string{left, "for=192.0.2.9"}
		if got, err := proxies.ClientIP(r); err != nil || got.String() != "192.0.2.9" {
			t.Errorf("Forwarded %q: got %s, %v", left, got, err)
		}
	})
}
