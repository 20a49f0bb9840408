package snapshot_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is a small OIDC provider.
type issuer struct {
	url   string
	key   *rsa.PrivateKey
	down  atomic.Bool
	asked atomic.Int64 // for anything but its keys
}

// rsaKey makes a key; one is enough for all tests, and slow to make.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{}
	var err error
	i.key, err = rsaKey()
	must(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case i.down.Load():
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path == "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
		case r.URL.Path == "/keys":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "one", Use: "sig"}}})
		default:
			i.asked.Add(1)
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

// config is the auth section that knows the provider as ci.
func (i *issuer) config() string {
	return "auth: {oidc: [{name: ci, issuer: '" + i.url + "', audience: [sreg], username_claim: preferred_username, groups_claim: groups}]}\n"
}

// claims are those of a good token, changed; nil removes one.
func (i *issuer) claims(change map[string]any) map[string]any {
	now := time.Now()
	all := map[string]any{
		"iss": i.url, "sub": "subject", "aud": "sreg", "preferred_username": "a",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func (i *issuer) token(t testing.TB, change map[string]any) string {
	t.Helper()
	return signed(t, jose.RS256, i.key, map[string]any{"kid": "one"}, i.claims(change))
}

func signed(t testing.TB, algorithm jose.SignatureAlgorithm, key any, header, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	must(t, err)
	object, err := signer.Sign(jsonOf(t, claims))
	must(t, err)
	text, err := object.CompactSerialize()
	must(t, err)
	return text
}

// raw puts a token together as it is told, signature and all.
func raw(t testing.TB, header, claims map[string]any, signature []byte) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	return strings.Join([]string{encode(jsonOf(t, header)), encode(jsonOf(t, claims)), encode(signature)}, ".")
}

func jsonOf(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return text
}

// claimsOf reads a token without verifying it.
func claimsOf(t testing.TB, token string) (claims map[string]any) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	must(t, err)
	must(t, json.Unmarshal(payload, &claims))
	return claims
}
