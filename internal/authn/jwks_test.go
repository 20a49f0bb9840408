package authn

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sreg-project/sreg/internal/access"
)

func TestOldKeysAreFetchedAnewBesideTheRequest(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	must(t, f.Prepare(t.Context()))
	token := i.token(t, nil)
	i.rotate("two", newEC(t)) // and the first key is withdrawn
	keys := f.providers[0].keys
	keys.mu.Lock()
	keys.fetched = time.Now().Add(-2 * keysAge)
	keys.mu.Unlock()
	if identity, _ := ask(t, f.Authenticator, bearer(token)); identity.Anonymous() {
		t.Error("got nobody while the keys are fetched, want the token's subject")
	}
	_, _, _ = keys.fetching.Do("", func() (any, error) { return nil, nil }) // waits for the fetch that runs
	if _, outcome := ask(t, f.Authenticator, bearer(signed(t, newRSA(), "one", i.claims(map[string]any{"jti": "2"}), nil))); !outcome.Rejected {
		t.Errorf("got %+v with a key that was withdrawn, want that it is refused", outcome)
	}
}

func TestFetchesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set := newKeySet(keySource{}, nil, nil)
		n := 0
		for range 600 { // a minute of ten tokens a second
			if set.fetches.Allow() {
				n++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if want := fetchBurst + 5; n != want {
			t.Errorf("got %d fetches in a minute, want %d", n, want)
		}
	})
}

// TestThreatTokenKeyInjection is what has opened other registries (distribution CVE-2025-24976).
func TestThreatTokenKeyInjection(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	attacker := newEC(t)
	_, edAttacker, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	jwk := jose.JSONWebKey{Key: attacker.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}
	public := i.keys[0].private.Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hs256 := func(key []byte) string {
		input := strings.TrimSuffix(raw(map[string]any{"alg": "HS256", "kid": "one"}, i.claims(nil), nil), ".")
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	good := i.token(t, nil)
	parts := strings.Split(good, ".")
	with := func(header map[string]any) string { return signed(t, attacker, "one", i.claims(nil), header) }
	jsonForm := `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`
	tests := map[string]string{
		"alg none":                           raw(map[string]any{"alg": "none"}, i.claims(nil), nil),
		"alg None":                           raw(map[string]any{"alg": "None", "kid": "one"}, i.claims(nil), nil),
		"no alg":                             raw(map[string]any{"kid": "one"}, i.claims(nil), []byte("x")),
		"HS256 with the public key in DER":   hs256(der),
		"HS256 with the public key in PEM":   hs256(publicPEM),
		"HS256 with an empty key":            hs256([]byte{}),
		"an embedded jwk":                    with(map[string]any{"jwk": jwk}),
		"jku":                                with(map[string]any{"jku": "http://attacker.test/keys"}),
		"x5u":                                with(map[string]any{"x5u": "http://attacker.test/cert"}),
		"another key with the provider's id": with(nil),
		"no key id":                          signed(t, attacker, "", i.claims(nil), nil),
		"a key id that is a path":            signed(t, attacker, "../../../dev/null", i.claims(nil), nil),
		"a key id that is SQL":               signed(t, attacker, "x' UNION SELECT 'key", i.claims(nil), nil),
		"a huge key id":                      signed(t, attacker, strings.Repeat("k", 20<<10), i.claims(nil), nil),
		"an algorithm that is not allowed":   signed(t, edAttacker, "one", i.claims(nil), nil),
		"a critical header":                  with(map[string]any{"crit": []string{"exp"}, "exp": 1}),
		"another payload":                    parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+i.url+`"}`)) + "." + parts[2],
		"no signature":                       parts[0] + "." + parts[1] + ".",
		"JSON instead of the compact form":   jsonForm,
		"white space within":                 parts[0] + ".\n" + parts[1] + "." + parts[2],
		"a fourth part":                      good + ".x",
		"two tokens":                         good + "," + good,
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withIssuer(t, i, func(c *ProviderConfig) { c.Audience = nil })
			for _, c := range []Credentials{bearer(token), basic("ci", token)} {
				if identity, outcome := ask(t, f.Authenticator, c); !identity.Anonymous() || !outcome.Rejected {
					t.Errorf("got %+v, %+v, want nobody", identity, outcome)
				}
			}
		})
	}
}

func TestKeysRotateWithoutAnOutage(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	must(t, f.Prepare(t.Context()))
	for n, key := range []string{"two", "three"} {
		i.rotate(key, newEC(t))
		if identity, outcome := ask(t, f.Authenticator, bearer(i.token(t, nil))); identity.Anonymous() {
			t.Fatalf("key %s: got %+v, want that it is fetched", key, outcome)
		}
		if got := i.asked(); got != n+2 {
			t.Errorf("keys were fetched %d times, want %d", got, n+2)
		}
	}
}

func TestMadeUpKeyIDsDoNotHammerTheProvider(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	must(t, f.Prepare(t.Context()))
	attacker := newEC(t)
	var work sync.WaitGroup
	for range 200 {
		work.Go(func() { ask(t, f.Authenticator, bearer(signed(t, attacker, rand.Text(), i.claims(nil), nil))) })
	}
	work.Wait()
	if got := i.asked(); got > fetchBurst {
		t.Errorf("keys were fetched %d times, want at most %d", got, fetchBurst)
	}
	// A token that is right is not in the way of it.
	if identity, _ := ask(t, f.Authenticator, bearer(i.token(t, nil))); identity.Anonymous() {
		t.Error("got nobody, want the token's subject")
	}
}

func TestKnownKeysServeWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	must(t, f.Prepare(t.Context()))
	i.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) })
	if identity, outcome := ask(t, f.Authenticator, bearer(i.token(t, nil))); identity.Anonymous() {
		t.Errorf("got %+v, want the token's subject", outcome)
	}
	_, outcome := ask(t, f.Authenticator, bearer(signed(t, newEC(t), "new", i.claims(nil), nil)))
	if !outcome.Unavailable || !outcome.Rejected {
		t.Errorf("got %+v with a new key, want that nobody knows", outcome)
	}
}

func TestAProviderThatIsDownAtStartIsAWarning(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) })
	f := withIssuer(t, i, nil)
	must(t, f.Prepare(t.Context()))
	if !strings.Contains(f.log.String(), "level=WARN") {
		t.Errorf("the log does not warn:\n%s", f.log)
	}
	if _, outcome := ask(t, f.Authenticator, bearer(i.token(t, nil))); !outcome.Unavailable {
		t.Errorf("got %+v, want that nobody knows", outcome)
	}
	if f.attempts(OIDC, unavailable) != 1 {
		t.Error("the attempt was not counted as unavailable")
	}
	if _, err := f.Token(t.Context(), TokenRequest{Credentials: basic("ci", i.token(t, nil))}); !errors.Is(err, access.ErrSignInUnavailable) {
		t.Errorf("the token service: got error %v, want %v", err, access.ErrSignInUnavailable)
	}
	i.answer(nil)
	if identity, outcome := ask(t, f.Authenticator, bearer(i.token(t, nil))); identity.Anonymous() {
		t.Errorf("got %+v once it is up, want the token's subject", outcome)
	}
}

func TestAHostileProvider(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	stolen := make(chan string, 1)
	elsewhere := newIssuer(t)
	elsewhere.answer(func(_ http.ResponseWriter, r *http.Request) { stolen <- r.URL.String() })
	tests := map[string]struct {
		answer http.HandlerFunc
		log    string // why the keys are not taken
	}{
		"a key set without an end": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[`)
			for {
				if _, err := w.Write([]byte(strings.Repeat(" ", 64<<10))); err != nil {
					return
				}
			}
		}, "the answer is too large"},
		"a redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.url+"/latest/meta-data", http.StatusFound)
		}, "a redirect to another host is not followed"},
		"a redirect in a circle": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "more than 3 redirects"},
		"an answer that is no JSON": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>")
		}, "discover"},
		"JSON that is deep": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("[", 500_000))
		}, "discover"},
		"symmetric keys alone": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{"kty":"oct","kid":"one","k":"c2VjcmV0"}]}`)
		}, "no public key that signs"},
		"no keys": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) }, "no public key that signs"},
		"a discovery document of another issuer": {func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"issuer": elsewhere.url, "jwks_uri": elsewhere.url + "/keys"})
		}, "issuer"},
		"keys over plain http on another host": {func(w http.ResponseWriter, r *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"issuer": "http://" + r.Host, "jwks_uri": "http://192.0.2.1/keys"})
		}, "want https"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			i.answer(tt.answer)
			f := withIssuer(t, i, func(c *ProviderConfig) {
				if strings.Contains(name, "key") && !strings.Contains(name, "plain http") {
					c.JWKSURI = i.url + "/keys"
				}
			})
			identity, outcome := ask(t, f.Authenticator, bearer(i.token(t, nil)))
			if !identity.Anonymous() || !outcome.Unavailable {
				t.Errorf("got %+v, %+v, want that nobody knows", identity, outcome)
			}
			if !strings.Contains(f.log.String(), tt.log) {
				t.Errorf("the log does not say %q:\n%s", tt.log, f.log)
			}
			for line := range strings.Lines(f.log.String()) {
				if len(line) > 2000 {
					t.Errorf("a line of the log has %d bytes", len(line))
				}
			}
		})
	}
	t.Cleanup(func() {
		select {
		case url := <-stolen:
			t.Errorf("the other host was asked for %s", url)
		default:
		}
	})
}

func TestASlowProviderKeepsNobodyWhoLeaves(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	asked, release := make(chan struct{}), make(chan struct{})
	i.answer(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	})
	f := withIssuer(t, i, nil)
	r := get("Bearer " + i.token(t, nil))
	ctx, leave := contextOf(t)
	ended := make(chan error)
	go func() {
		_, _, err := f.AuthenticateRequest(r.WithContext(ctx))
		ended <- err
	}()
	<-asked
	leave()
	if err := <-ended; !errors.Is(err, ctx.Err()) {
		t.Errorf("got error %v, want that of the context", err)
	}
	close(release)
}

func TestKeysAreSharedAndGivenBack(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	ask(t, f.Authenticator, bearer(i.token(t, nil)))
	second, err := New(f.opts)
	must(t, err)
	must(t, second.Prepare(t.Context()))
	if got := i.asked(); got != 1 {
		t.Errorf("keys were fetched %d times, want once for both", got)
	}
	must(t, second.Close())
	if got := len(f.opts.State.keys); got != 1 {
		t.Errorf("%d key sets are held after one of two closed, want 1", got)
	}
}
