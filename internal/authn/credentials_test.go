package authn

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sreg-project/sreg/internal/secret"
)

// TestThreatSecretsInLogs plants secrets wherever they may be and looks for them wherever they must not
// be (zot CVE-2025-48374).
func TestThreatSecretsInLogs(t *testing.T) {
	t.Parallel()
	const canary = "canary-5e1f"
	i := newIssuer(t)
	f := newFixture(t, func(f *fixture) {
		f.users = list{"alice": newUser("alice", "weak"+canary), "broken": {Name: "broken"}}
		config := DefaultProvider()
		config.Name, config.Issuer, config.Audience = "ci", i.url, []string{"sreg"}
		f.opts.Config.OIDC = []ProviderConfig{config}
		f.opts.Config.Users = []UserConfig{{Name: "carol", PasswordHash: secret.New(canary)}}
	})
	var seen bytes.Buffer
	theirs := i.token(t, map[string]any{"note": canary})
	bad := i.token(t, map[string]any{"note": canary, "aud": canary})
	answer := tokenFor(t, f.Authenticator, basic("alice", "weak"+canary))
	for _, c := range []Credentials{
		basic("alice", "weak"+canary), basic("alice", canary), basic(canary, "x"), basic("broken", canary), basic("ci", theirs), basic("ci", bad),
		bearer(theirs), bearer(bad), bearer(answer.Token), bearer(answer.Token + canary), bearer(canary), parseAuthorization("Basic " + canary),
		parseAuthorization(canary + " " + canary),
	} {
		_, outcome, err := f.Authenticate(t.Context(), c)
		fmt.Fprintf(&seen, "%+v %v\n", outcome, err)
		// Credentials that get into a log by accident.
		f.log.Write(fmt.Appendf(nil, "%v %+v %#v %v\n", c, c, c, []Credentials{c}))
		for _, request := range []TokenRequest{{Credentials: c}, {RefreshToken: secret.New(answer.RefreshToken + canary)}} {
			fmt.Fprintf(&seen, "%v %+v %#v\n", request, request, request)
			got, err := f.Token(t.Context(), request)
			fmt.Fprintf(&seen, "%v %+v %#v %v\n", got, got, got, err)
		}
	}
	text, err := json.Marshal(f.opts.Config)
	must(t, err)
	seen.Write(text)
	page := httptest.NewRecorder()
	promhttp.HandlerFor(f.metrics, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	seen.Write(page.Body.Bytes())
	seen.WriteString(f.log.String())
	content, err := f.opts.Keys.Load(t.Context())
	must(t, err)
	hidden := map[string]string{
		"a password": canary, "its base64": base64.StdEncoding.EncodeToString([]byte(canary))[:12], "a token of a provider": theirs,
		"our token": answer.Token, "our refresh token": answer.RefreshToken, "a hash": hashOf("weak" + canary).Reveal(), "the key": strings.Split(string(content), "\n")[1],
	}
	for what, text := range hidden {
		if strings.Contains(seen.String(), text) {
			t.Errorf("%s was shown", what)
		}
	}
	if !strings.Contains(seen.String(), "sreg_auth_attempts_total") || !strings.Contains(seen.String(), "weak hash") {
		t.Error("the test has not seen the metrics or the log")
	}
}

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
