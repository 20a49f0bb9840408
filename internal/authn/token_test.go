package authn

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/access"
)

func TestATokenCarriesWhoSignedInAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	c := basic("alice", "right")
	c.Certificate = newClientCertificate(time.Now().Add(time.Hour))
	answer := tokenFor(t, f.Authenticator, c)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.Token, ".")[1])
	must(t, err)
	var said map[string]any
	must(t, json.Unmarshal(payload, &said))
	allowed := map[string]bool{"iss": true, "aud": true, "jti": true, "sid": true, "use": true, "iat": true, "nbf": true, "exp": true, "sub": true, "username": true, "user_mark": true}
	for name := range said {
		if !allowed[name] {
			t.Errorf("the token says %s", name)
		}
	}
	identity, _ := ask(t, f.Authenticator, bearer(answer.Token))
	if identity.ID != "alice" || identity.Username != "alice" || len(identity.Groups) != 1 || identity.Certificate.Fingerprint != "" {
		t.Errorf("got %+v, want alice in dev without a certificate", identity)
	}
	if answer.ExpiresIn < 299 || answer.ExpiresIn > 300 || answer.AccessToken != answer.Token || answer.RefreshToken == "" {
		t.Errorf("got %+v expires in %d, want 300 and a refresh token", answer, answer.ExpiresIn)
	}
}

func TestATokenEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		token := tokenFor(t, f.Authenticator, basic("alice", "right")).Token
		time.Sleep(f.opts.Config.Token.TTL - time.Second)
		if identity, _ := ask(t, f.Authenticator, bearer(token)); identity.Username != "alice" {
			t.Errorf("got %+v before the end, want alice", identity)
		}
		time.Sleep(time.Second)
		for _, a := range []*Authenticator{f.Authenticator, f.again(t)} { // remembered or not
			if identity, outcome := ask(t, a, bearer(token)); !identity.Anonymous() || outcome.Reason != string(errExpired) {
				t.Errorf("got %+v, %+v after the end, want nobody", identity, outcome)
			}
		}
	})
}

// TestARefreshTokenEnds: also one that was given when they lived for longer.
func TestARefreshTokenEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		answer := tokenFor(t, f.Authenticator, basic("alice", "right"))
		f.opts.Config.Token.RefreshTTL /= 2
		shorter := f.again(t)
		f.opts.Config.Token.Refresh = "never"
		never := f.again(t)
		refused := func(what string, a *Authenticator) {
			t.Helper()
			if _, err := a.Token(t.Context(), refresh(answer)); !errors.Is(err, access.ErrInvalidCredentials) {
				t.Errorf("%s: got error %v, want %v", what, err, access.ErrInvalidCredentials)
			}
		}
		refused("where nobody has refresh tokens", never)
		if _, err := never.Token(t.Context(), TokenRequest{Offline: true}); err != nil {
			t.Errorf("nobody gets a token where nobody has refresh tokens: %v", err)
		}
		time.Sleep(15*24*time.Hour - time.Second)
		_, err := shorter.Token(t.Context(), refresh(answer))
		must(t, err)
		time.Sleep(time.Second)
		refused("of 30 days after 15", shorter)
		time.Sleep(15*24*time.Hour - time.Second)
		_, err = f.Token(t.Context(), refresh(answer))
		must(t, err)
		time.Sleep(time.Second)
		refused("of 30 days after 30", f.Authenticator)
	})
}

func TestATokenDiesWithItsUser(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]list{
		"removed":             {},
		"with a new password": {"alice": newUser("alice", "new")},
		"expired":             {"alice": {Name: "alice", Hash: hashOf("right"), Expires: time.Now().Add(-time.Second)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			answer := tokenFor(t, f.Authenticator, basic("alice", "right"))
			ask(t, f.Authenticator, bearer(answer.Token)) // remembered
			f.users = after
			changed := f.again(t)
			must(t, changed.Prepare(t.Context()))
			if identity, outcome := ask(t, changed, bearer(answer.Token)); !identity.Anonymous() || !outcome.Rejected {
				t.Errorf("got %+v, %+v, want nobody", identity, outcome)
			}
			if _, err := changed.Token(t.Context(), refresh(answer)); !errors.Is(err, access.ErrInvalidCredentials) {
				t.Errorf("refresh: got error %v, want %v", err, access.ErrInvalidCredentials)
			}
		})
	}
}

func TestGroupsOfAUserAreNeverStale(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := tokenFor(t, f.Authenticator, basic("alice", "right")).Token
	f.users = list{"alice": newUser("alice", "right")}
	if identity, _ := ask(t, f.again(t), bearer(token)); identity.Username != "alice" || len(identity.Groups) != 0 {
		t.Errorf("got %+v, want alice without the group that she left", identity)
	}
}

func TestATokenOfAnOIDCTokenDiesWithIt(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, func(c *ProviderConfig) { c.GroupsClaim = "groups" })
	end := time.Now().Add(30 * time.Second).Truncate(time.Second)
	answer := tokenFor(t, f.Authenticator, basic("ci", i.token(t, map[string]any{
		"exp": end.Unix(), "groups": []string{"dev"}, "run": 7, "nested": map[string]any{"a": []any{true, nil}},
	})))
	if answer.ExpiresIn > 31 {
		t.Errorf("the token lives for %d seconds, want no longer than the one that it came from", answer.ExpiresIn)
	}
	identity, _ := ask(t, f.Authenticator, bearer(answer.Token))
	if identity.ID != "ci/subject" || identity.OIDC == nil || fmt.Sprint(identity.Groups, identity.OIDC.Claims["run"], identity.OIDC.Claims["nested"]) != "[dev] 7 map[a:[true <nil>]]" {
		t.Errorf("got %+v %+v, want the claims as they are", identity, identity.OIDC)
	}
	again, err := f.Token(t.Context(), refresh(answer))
	must(t, err)
	if again.ExpiresIn > 31 {
		t.Errorf("a refreshed token lives for %d seconds", again.ExpiresIn)
	}
	f.opts.Config.OIDC[0].Audience = []string{"other"}
	changed := f.again(t)
	must(t, changed.Prepare(t.Context()))
	if identity, _ := ask(t, changed, bearer(answer.Token)); !identity.Anonymous() {
		t.Errorf("got %+v after the provider changed, want nobody", identity)
	}
	if _, err := changed.Token(t.Context(), refresh(answer)); !errors.Is(err, access.ErrInvalidCredentials) {
		t.Errorf("refresh after the provider changed: got error %v, want %v", err, access.ErrInvalidCredentials)
	}
}

func TestTokensOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	answer := tokenFor(t, f.Authenticator, basic("alice", "right"))
	other := newFixture(t, nil) // the same service with another key
	ring, err := other.tokens.load(t.Context(), true)
	must(t, err)
	key := ring.signing()
	content, err := f.opts.Keys.Load(t.Context())
	must(t, err)
	block, _ := pem.Decode(content)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	ours := f.tokens.ring.Load().signing()
	now := time.Now()
	said := func(change map[string]any) map[string]any {
		all := map[string]any{"iss": "sreg.test", "aud": "sreg.test", "use": "access", "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix()}
		for name, v := range change {
			all[name] = v
		}
		return all
	}
	with := func(change, header map[string]any) string {
		return signed(t, private.(ed25519.PrivateKey), ours.id, said(change), header)
	}
	if _, outcome := ask(t, f.Authenticator, bearer(with(nil, nil))); outcome.Method != Token {
		t.Fatalf("got %+v for a good one, want that it is accepted", outcome)
	}
	parts := strings.Split(answer.Token, ".")
	der, err := x509.MarshalPKIXPublicKey(ours.public)
	must(t, err)
	hs256 := func(secret []byte) string {
		input := strings.TrimSuffix(raw(map[string]any{"alg": "HS256", "kid": ours.id}, said(nil), nil), ".")
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	forged := map[string]string{
		"of the public key as a secret":        hs256(ours.public),
		"of the public key in base64":          hs256([]byte(base64.RawURLEncoding.EncodeToString(ours.public))),
		"of the public key in DER as a secret": hs256(der),
		"of the public key in PEM as a secret": hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"of the id of the key as a secret":     hs256([]byte(ours.id)),
		"of an empty secret":                   hs256(nil),
		"of another key":                       tokenFor(t, other.Authenticator, basic("alice", "right")).Token,
		"of another key, our id":               signed(t, newEC(t), ours.id, said(nil), nil),
		"of another key's id":                  signed(t, private.(ed25519.PrivateKey), key.id, said(nil), nil),
		"for another audience":                 with(map[string]any{"aud": "other.test"}, nil),
		"for several audiences":                with(map[string]any{"aud": []string{"sreg.test", "other.test"}}, nil),
		"of another issuer":                    with(map[string]any{"iss": "other.test"}, nil),
		"a refresh token":                      answer.RefreshToken,
		"without a use":                        with(map[string]any{"use": ""}, nil),
		"expired":                              with(map[string]any{"exp": now.Add(-time.Second).Unix()}, nil),
		"without an end":                       with(map[string]any{"exp": 0}, nil),
		"not valid yet":                        with(map[string]any{"nbf": now.Add(time.Minute).Unix()}, nil),
		"of the future":                        with(map[string]any{"iat": now.Add(time.Minute).Unix()}, nil),
		"with a user's wrong mark":             with(map[string]any{"username": "alice", "sub": "alice", "user_mark": "x"}, nil),
		"of an unknown provider":               with(map[string]any{"provider": "ci", "provider_mark": "x"}, nil),
		"alg none":                             raw(map[string]any{"alg": "none", "kid": ours.id}, said(nil), nil),
		"with a changed payload":               parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"sreg.test","username":"root"}`)) + "." + parts[2],
		"with white space":                     answer.Token + " ",
		"that is cut":                          answer.Token[:len(answer.Token)-2],
	}
	for name, token := range forged {
		if identity, outcome := ask(t, f.Authenticator, bearer(token)); !identity.Anonymous() || !outcome.Rejected {
			t.Errorf("a token %s: got %+v, %+v, want nobody", name, identity, outcome)
		}
	}
}

func TestAnotherKeyEndsRememberedTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := tokenFor(t, f.Authenticator, basic("alice", "right")).Token
	ask(t, f.Authenticator, bearer(token))
	f.opts.Keys = &keysInMemory{}
	changed := f.again(t)
	must(t, changed.Prepare(t.Context()))
	if identity, _ := ask(t, changed, bearer(token)); !identity.Anonymous() {
		t.Errorf("got %+v with a token of the former key, want nobody", identity)
	}
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
