package snapshot_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestThreatTokenKeyInjectionOverHTTP: a token that says of itself how it shall be verified is nobody's, a
// provider's as well as sreg's own. The real tokens beside them work.
func TestThreatTokenKeyInjectionOverHTTP(t *testing.T) {
	t.Parallel()
	var called atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	t.Cleanup(trap.Close)
	provider := newIssuer(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	keyFile := filepath.Join(t.TempDir(), "token.key")
	own := newSigningKey(t, keyFile)
	w := newWorld(t, setup{
		config: strings.Replace(provider.config(), "auth: {", "auth: {token: {key_file: '"+keyFile+"'}, ", 1) + tenants,
		users:  user(t, "a"),
	})
	w.pushBlob(signIn("a"), "a", "content")
	path := "/v2/a/blobs/" + digestOf("content")
	good := strings.TrimPrefix(w.token(signIn("a")), "Bearer ")
	w.get(path, "Bearer "+good).is(t, http.StatusOK)
	w.get(path, "Bearer "+provider.token(t, nil)).is(t, http.StatusOK)

	claims, head := claimsOf(t, good), headerOf(t, good)
	evil := jose.JSONWebKey{Key: public, KeyID: head["kid"].(string), Algorithm: "EdDSA"}
	der, err := x509.MarshalPKIXPublicKey(provider.key.Public())
	must(t, err)
	providerPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	of := provider.claims(nil)
	with := func(base map[string]any, more map[string]any) map[string]any {
		all := maps.Clone(base)
		maps.Copy(all, more)
		return all
	}
	rs := map[string]any{"alg": "RS256", "kid": "one", "typ": "JWT"}
	parts := strings.Split(good, ".")
	jws, err := json.Marshal(map[string]any{"payload": parts[1], "protected": parts[0], "signature": parts[2]})
	must(t, err)
	for name, token := range map[string]string{
		"alg none":                               raw(t, with(head, map[string]any{"alg": "none"}), claims, nil),
		"alg None":                               raw(t, with(head, map[string]any{"alg": "None"}), claims, []byte("x")),
		"alg none, of the provider":              raw(t, with(rs, map[string]any{"alg": "none"}), of, nil),
		"no alg":                                 raw(t, map[string]any{"typ": "JWT"}, claims, nil),
		"HS256 with our public key":              signed(t, jose.HS256, []byte(own), map[string]any{"kid": head["kid"]}, claims),
		"HS256 with the provider's public key":   signed(t, jose.HS256, providerPEM, map[string]any{"kid": "one"}, of),
		"HS256 with the provider's DER":          signed(t, jose.HS256, der, map[string]any{"kid": "one"}, of),
		"another key":                            signed(t, jose.EdDSA, private, map[string]any{"kid": head["kid"]}, claims),
		"another key and its jwk":                signed(t, jose.EdDSA, private, map[string]any{"kid": head["kid"], "jwk": evil}, claims),
		"another key and its jwk, of ci":         signed(t, jose.EdDSA, private, map[string]any{"kid": "one", "jwk": evil}, of),
		"jku":                                    signed(t, jose.EdDSA, private, map[string]any{"kid": head["kid"], "jku": trap.URL}, claims),
		"jku, of ci":                             signed(t, jose.EdDSA, private, map[string]any{"kid": "two", "jku": trap.URL}, of),
		"x5u":                                    signed(t, jose.EdDSA, private, map[string]any{"kid": head["kid"], "x5u": trap.URL}, claims),
		"x5u, of ci":                             signed(t, jose.EdDSA, private, map[string]any{"kid": "one", "x5u": trap.URL}, of),
		"x5c":                                    signed(t, jose.EdDSA, private, map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(der)}}, claims),
		"kid is a path":                          signed(t, jose.EdDSA, private, map[string]any{"kid": "../../../../dev/null"}, claims),
		"kid is an address":                      signed(t, jose.EdDSA, private, map[string]any{"kid": trap.URL}, of),
		"kid is empty":                           signed(t, jose.EdDSA, private, map[string]any{"kid": ""}, claims),
		"no kid":                                 signed(t, jose.EdDSA, private, nil, of),
		"the provider's key for our token":       signed(t, jose.RS256, provider.key, map[string]any{"kid": "one"}, claims),
		"crit":                                   signed(t, jose.EdDSA, private, map[string]any{"kid": head["kid"], "crit": []string{"b64"}, "b64": false}, claims),
		"another payload under a good signature": parts[0] + "." + base64.RawURLEncoding.EncodeToString(jsonOf(t, with(claims, map[string]any{"username": "root"}))) + "." + parts[2],
		"the JSON form of a good token":          string(jws),
		"padding":                                good + "==",
		"a space in it":                          parts[0] + " ." + parts[1] + "." + parts[2],
		"a fourth part":                          good + ".x",
		"a refresh token":                        w.tokens(signIn("a")).Refresh,
		"an expired one of the provider":         provider.token(t, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}),
		"a future one of the provider":           provider.token(t, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}),
		"one of the provider without an end":     provider.token(t, map[string]any{"exp": nil}),
		"one of another issuer, signed by ours":  provider.token(t, map[string]any{"iss": "https://other.example"}),
		"an issuer in another case and a lie":    provider.token(t, map[string]any{"iss": "https://other.example", "ISS": provider.url}),
	} {
		t.Run(name, func(t *testing.T) {
			w.get(path, "Bearer "+token).is(t, http.StatusUnauthorized)
			w.get("/v2/", "Bearer "+token).is(t, http.StatusUnauthorized)
			w.get(path, basic("ci", token)).is(t, http.StatusUnauthorized)
			w.get("/token", basic("ci", token)).is(t, http.StatusUnauthorized)
		})
	}
	if called.Load() > 0 || provider.asked.Load() > 0 {
		t.Errorf("what a token names was called %d and %d times", called.Load(), provider.asked.Load())
	}
	w.get(path, "Bearer "+good).is(t, http.StatusOK)
}

// newSigningKey makes a key file, and returns its public half in PEM.
func newSigningKey(t testing.TB, path string) (public string) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	der, err = x509.MarshalPKIXPublicKey(pub)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func headerOf(t testing.TB, token string) (header map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	must(t, err)
	must(t, json.Unmarshal(text, &header))
	return header
}

// TestThreatTokenReplayToAnotherAudienceOverHTTP: what was made for somebody else is nothing here.
func TestThreatTokenReplayToAnotherAudienceOverHTTP(t *testing.T) {
	t.Parallel()
	provider := newIssuer(t)
	keyFile := filepath.Join(t.TempDir(), "token.key")
	newSigningKey(t, keyFile)
	auth := strings.Replace(provider.config(), "auth: {", "auth: {token: {key_file: '"+keyFile+"'}, ", 1)
	users := user(t, "a")
	w := newWorld(t, setup{config: auth + tenants + "server: {external_url: 'https://one.example.com'}\n", users: users})
	other := newWorld(t, setup{config: auth + tenants + "server: {external_url: 'https://two.example.com'}\n", users: users})
	tokenAt := func(w *world, service string) string {
		var answer tokenAnswer
		r := w.get("/token?service="+service, signIn("a")).is(t, 200)
		must(t, json.Unmarshal([]byte(r.body), &answer))
		return answer.Token
	}
	w.get("/v2/", "Bearer "+tokenAt(w, "one.example.com")).is(t, http.StatusOK)
	w.get("/token?service=two.example.com", signIn("a")).is(t, http.StatusBadRequest)
	for name, token := range map[string]string{
		"another registry of the same key": tokenAt(other, "two.example.com"),

		"another audience":    provider.token(t, map[string]any{"aud": "other"}),
		"no audience":         provider.token(t, map[string]any{"aud": nil}),
		"an empty audience":   provider.token(t, map[string]any{"aud": ""}),
		"audiences of others": provider.token(t, map[string]any{"aud": []string{"other", "sreg.example"}}),

		"an audience in another case, beside a lie": provider.token(t, map[string]any{"aud": "other", "AUD": "sreg"}),
		"an audience in a list in a list":           provider.token(t, map[string]any{"aud": []any{[]any{"sreg"}}}),
		"azp alone":                                 provider.token(t, map[string]any{"aud": nil, "azp": "sreg"}),
	} {
		t.Run(name, func(t *testing.T) {
			w.get("/v2/", "Bearer "+token).is(t, http.StatusUnauthorized)
			w.get("/v2/a/tags/list", "Bearer "+token).is(t, http.StatusUnauthorized)
			w.get("/v2/", basic("ci", token)).is(t, http.StatusUnauthorized)
			w.get("/token", basic("ci", token)).is(t, http.StatusUnauthorized)
		})
	}
	t.Run("one of several audiences", func(t *testing.T) {
		w.get("/v2/", "Bearer "+provider.token(t, map[string]any{"aud": []string{"other", "sreg"}})).is(t, http.StatusOK)
	})
	t.Run("a token gets no further token", func(t *testing.T) {
		w.get("/token", "Bearer "+tokenAt(w, "one.example.com")).is(t, http.StatusUnauthorized)
	})
}

// TestThreatStaleGroups: what a token opens is what its user is now, after a restart with other users on
// the same store.
func TestThreatStaleGroups(t *testing.T) {
	t.Parallel()
	const rules = "policy: {rules: [\"'dev' in identity.groups\"]}\n"
	before := user(t, "a", "dev") + user(t, "z")
	w := newWorld(t, setup{config: rules, users: before})
	w.pushBlob(signIn("a"), "app", "content")
	path := "/v2/app/blobs/" + digestOf("content")
	tokens := w.tokens(signIn("a"))
	w.get(path, "Bearer "+tokens.Token).is(t, http.StatusOK)
	for _, tt := range []struct {
		name, users     string
		pull, sign, new int // the status of a pull, the version check and a new token
	}{
		{"nothing changed", before, 200, 200, 200},
		{"the groups are gone", strings.Replace(before, ":dev\n", ":\n", 1), 403, 200, 200},
		{"the user is gone", user(t, "z"), 401, 401, 401},
		{"the password is another one", "a:" + hash(t, "other") + ":dev\n" + user(t, "z"), 401, 401, 401},
		{"the password is the same, set anew", user(t, "a", "dev"), 401, 401, 401},
		{"the user has expired", strings.Replace(before, ":dev\n", ":dev:2020-01-01\n", 1), 401, 401, 401},
		{"another has the name's groups", strings.Replace(before, ":dev\n", ":\n", 1) + user(t, "y", "dev"), 403, 200, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := w.again(setup{config: rules, users: tt.users})
			for range 2 { // remembered and not
				w.get(path, "Bearer "+tokens.Token).is(t, tt.pull)
				w.get("/v2/", "Bearer "+tokens.Token).is(t, tt.sign)
				refresh := w.do(call{
					method: "POST", path: "/token", body: "grant_type=refresh_token&service=sreg&refresh_token=" + tokens.Refresh,
					header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
				}).is(t, tt.new)
				if tt.new != http.StatusOK {
					continue
				}
				var fresh tokenAnswer
				must(t, json.Unmarshal([]byte(refresh.body), &fresh))
				w.get(path, "Bearer "+fresh.Token).is(t, tt.pull)
			}
		})
	}
}

// TestThreatStaleGroupsOfAProvider: a token of ours that came from a provider's dies with the provider, and
// says what that token said, no more.
func TestThreatStaleGroupsOfAProvider(t *testing.T) {
	t.Parallel()
	const rules = "policy: {rules: [\"'dev' in identity.groups\"]}\n"
	provider := newIssuer(t)
	w := newWorld(t, setup{config: provider.config() + rules, users: user(t, "z")})
	token := w.token(basic("ci", provider.token(t, map[string]any{"groups": []string{"dev"}})))
	w.get("/v2/_catalog", token).is(t, http.StatusOK)
	w.get("/v2/_catalog", w.token(basic("ci", provider.token(t, nil)))).is(t, http.StatusForbidden)
	w.again(setup{config: provider.config() + rules, users: user(t, "z")}).get("/v2/_catalog", token).is(t, http.StatusOK)
	for name, config := range map[string]string{
		"it is gone":               "",
		"it wants another claim":   strings.Replace(provider.config(), "audience: [sreg]", "audience: [sreg], required_claims: [{name: x, value: y}]", 1),
		"it wants other audiences": strings.Replace(provider.config(), "audience: [sreg]", "audience: [other]", 1),
		"it has another name":      strings.Replace(provider.config(), "name: ci", "name: cd", 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := w.again(setup{config: config + rules, users: user(t, "z")})
			w.get("/v2/_catalog", token).is(t, http.StatusUnauthorized)
			w.get("/v2/", token).is(t, http.StatusUnauthorized)
		})
	}
}

// TestThreatTokenForSomethingElse: a token is for what the client asked for when it got it, whatever the policy allows its
// user. The challenge says what to ask for, and then the policy decides.
func TestThreatTokenForSomethingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{
		config: "policy: {rules: [\"identity.username == 'alice'\"]}\n", users: user(t, "alice") + user(t, "bob"),
	})
	digest := w.pushImage(signIn("alice"), "alice/x", "1", "x")
	other := w.pushImage(signIn("alice"), "alice/other", "1", "other")
	scoped := func(user, scope string) string {
		t.Helper()
		var answer tokenAnswer
		must(t, json.Unmarshal([]byte(w.get("/token?service=sreg&scope="+url.QueryEscape(scope), signIn(user)).is(t, http.StatusOK).body), &answer))
		return "Bearer " + answer.Token
	}
	blob := w.pushBlob(signIn("alice"), "alice/other", "a blob of other")
	pull := scoped("alice", "repository:alice/x:pull")
	w.get("/v2/", pull).is(t, http.StatusOK)
	for range 2 { // the second time the token is remembered
		w.get("/v2/alice/x/manifests/1", pull).is(t, http.StatusOK)
	}
	for _, tt := range []struct {
		call  call
		needs string
	}{
		{call{method: "GET", path: "/v2/alice/other/manifests/1"}, "repository:alice/other:pull"},
		{call{method: "DELETE", path: "/v2/alice/other/manifests/" + other}, "repository:alice/other:delete"},
		{call{method: "DELETE", path: "/v2/alice/x/manifests/" + digest}, "repository:alice/x:delete"},
		{call{method: "DELETE", path: "/v2/alice/absent/manifests/1"}, "repository:alice/absent:delete"},
		{putImage("", "alice/x", "2", "x"), "repository:alice/x:pull,push"},
		{call{method: "POST", path: "/v2/alice/x/blobs/uploads/"}, "repository:alice/x:pull,push"},
		{call{method: "GET", path: "/v2/_catalog"}, "registry:catalog:*"},
	} {
		tt.call.auth = pull
		refused := w.do(tt.call).is(t, http.StatusUnauthorized)
		want := `Bearer realm="` + w.url + `/token",service="sreg",scope="` + tt.needs + `",error="insufficient_scope"`
		if got := refused.header.Get("WWW-Authenticate"); got != want || refused.code() != "UNAUTHORIZED" {
			t.Errorf("%s: got the challenge %s, want %s\n%s", tt.call, got, want, refused.body)
		}
		tt.call.auth = scoped("bob", tt.needs) // a scope gives nothing that the policy does not
		w.do(tt.call).is(t, http.StatusForbidden)
	}
	w.get("/metrics", pull).is(t, http.StatusUnauthorized)
	w.get("/v2/alice/x/manifests/1", scoped("alice", "nonsense")).is(t, http.StatusUnauthorized)

	// A mount pulls from its source.
	mount := call{method: "POST", path: "/v2/alice/x/blobs/uploads/?from=alice/other&mount=" + blob, auth: scoped("alice", "repository:alice/x:pull,push")}
	w.do(mount).is(t, http.StatusAccepted)
	mount.auth = scoped("alice", "repository:alice/x:push repository:alice/other:pull")
	w.do(mount).is(t, http.StatusCreated)
	if got := w.get("/v2/_catalog", scoped("alice", "registry:catalog:*")).is(t, http.StatusOK).body; !strings.Contains(got, "alice/other") {
		t.Errorf("the catalog by a token for it shows %s, want all that alice may see", got)
	}
	w.do(call{method: "DELETE", path: "/v2/alice/other/manifests/" + other, auth: scoped("alice", "repository:alice/other:*")}).is(t, http.StatusAccepted)
	w.do(call{method: "DELETE", path: "/v2/alice/x/manifests/" + digest, auth: w.token(signIn("alice"))}).is(t, http.StatusAccepted) // for everything
}
