package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is a small OIDC provider that does what a test tells it, also what no honest one does.
type issuer struct {
	url string

	mu       sync.Mutex
	keys     []issuerKey
	fetches  int
	override http.HandlerFunc // answers instead
}

type issuerKey struct {
	id      string
	private crypto.Signer
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.fetches++
		_, _ = w.Write(i.set())
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		answer := i.override
		i.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	i.rotate("one", newRSA())
	return i
}

// newRSA makes a key; one is enough for most tests, and slow to make.
var newRSA = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newEC(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// rotate makes a key the only one.
func (i *issuer) rotate(id string, private crypto.Signer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = []issuerKey{{id, private}}
}

func (i *issuer) answer(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.override = h
}

func (i *issuer) asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// set is the public keys; the caller holds mu.
func (i *issuer) set() []byte {
	set := jose.JSONWebKeySet{}
	for _, key := range i.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.private.Public(), KeyID: key.id, Use: "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return text
}

// claims are those of a good token, changed; nil removes one.
func (i *issuer) claims(change map[string]any) map[string]any {
	now := time.Now()
	all := map[string]any{
		"iss": i.url, "sub": "subject", "aud": "sreg",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// token is signed with the last key.
func (i *issuer) token(t testing.TB, change map[string]any) string {
	t.Helper()
	i.mu.Lock()
	key := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	return signed(t, key.private, key.id, i.claims(change), nil)
}

func signed(t testing.TB, private crypto.Signer, id string, claims map[string]any, header map[string]any) string {
	t.Helper()
	algorithm := jose.RS256
	switch private.(type) {
	case *ecdsa.PrivateKey:
		algorithm = jose.ES256
	case ed25519.PrivateKey:
		algorithm = jose.EdDSA
	}
	options := &jose.SignerOptions{}
	if id != "" {
		options.WithHeader("kid", id)
	}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: private}, options)
	must(t, err)
	payload, err := json.Marshal(claims)
	must(t, err)
	object, err := signer.Sign(payload)
	must(t, err)
	text, err := object.CompactSerialize()
	must(t, err)
	return text
}

// raw puts a token together as it is told, signature and all.
func raw(header, payload any, signature []byte) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return fmt.Sprintf("%s.%s.%s", part(header), part(payload), base64.RawURLEncoding.EncodeToString(signature))
}

// withIssuer makes a fixture that knows the provider ci.
func withIssuer(t testing.TB, i *issuer, change func(*ProviderConfig)) *fixture {
	t.Helper()
	return newFixture(t, func(f *fixture) {
		config := DefaultProvider()
		config.Name, config.Issuer, config.Audience = "ci", i.url, []string{"sreg"}
		if change != nil {
			change(&config)
		}
		f.opts.Config.OIDC = []ProviderConfig{config}
	})
}
