package authn

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/access"

	"github.com/sreg-project/sreg/internal/secret"
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
	allowed := map[string]bool{"iss": true, "aud": true, "jti": true, "use": true, "iat": true, "nbf": true, "exp": true, "sub": true, "username": true, "user_mark": true}
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

func refresh(answer TokenAnswer) TokenRequest {
	return TokenRequest{RefreshToken: secret.New(answer.RefreshToken)}
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
	key, err := other.tokens.load(t.Context(), true)
	must(t, err)
	content, err := f.opts.Keys.Load(t.Context())
	must(t, err)
	block, _ := pem.Decode(content)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	ours := f.tokens.key.Load()
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
	forged := map[string]string{
		"of another key":           tokenFor(t, other.Authenticator, basic("alice", "right")).Token,
		"of another key, our id":   signed(t, newEC(t), ours.id, said(nil), nil),
		"of another key's id":      signed(t, private.(ed25519.PrivateKey), key.id, said(nil), nil),
		"for another audience":     with(map[string]any{"aud": "other.test"}, nil),
		"for several audiences":    with(map[string]any{"aud": []string{"sreg.test", "other.test"}}, nil),
		"of another issuer":        with(map[string]any{"iss": "other.test"}, nil),
		"a refresh token":          answer.RefreshToken,
		"without a use":            with(map[string]any{"use": ""}, nil),
		"expired":                  with(map[string]any{"exp": now.Add(-time.Second).Unix()}, nil),
		"without an end":           with(map[string]any{"exp": 0}, nil),
		"not valid yet":            with(map[string]any{"nbf": now.Add(time.Minute).Unix()}, nil),
		"of the future":            with(map[string]any{"iat": now.Add(time.Minute).Unix()}, nil),
		"with a user's wrong mark": with(map[string]any{"username": "alice", "sub": "alice", "user_mark": "x"}, nil),
		"of an unknown provider":   with(map[string]any{"provider": "ci", "provider_mark": "x"}, nil),
		"alg none":                 raw(map[string]any{"alg": "none", "kid": ours.id}, said(nil), nil),
		"with a changed payload":   parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"sreg.test","username":"root"}`)) + "." + parts[2],
		"with white space":         answer.Token + " ",
		"that is cut":              answer.Token[:len(answer.Token)-2],
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

func TestTheTokenService(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	answer := tokenFor(t, f.Authenticator, basic("alice", "right"))
	form := func(values url.Values) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	query := func(query string, header ...string) *http.Request {
		r := get(header...)
		r.URL = &url.URL{Path: "/token", RawQuery: query}
		return r
	}
	json := form(nil)
	json.Header.Set("Content-Type", "application/json")
	tests := []struct {
		name    string
		request *http.Request
		user    string
		refresh bool
		err     error
	}{
		{name: "GET of anybody", request: query("service=sreg.test&scope=repository:a:pull")},
		{name: "GET of anybody who wants to stay", request: query("offline_token=true")},
		{name: "GET with empty credentials", request: query("service=sreg.test", basicHeader("", ""))},
		{name: "GET with a password", request: query("service=sreg.test&account=alice&scope=repository:a:pull&scope=repository:b:push", basicHeader("alice", "right")), user: "alice"},
		{name: "GET with a password, to stay", request: query("offline_token=true&client_id=docker", basicHeader("alice", "right")), user: "alice", refresh: true},
		{name: "GET with a wrong password", request: query("service=sreg.test", basicHeader("alice", "wrong")), err: access.ErrInvalidCredentials},
		{name: "GET with a password in the query", request: query("account=alice&username=alice&password=right&grant_type=password")},
		{name: "GET with a token of our own", request: query("", "Bearer "+answer.Token), err: access.ErrInvalidCredentials},
		{name: "GET for another service", request: query("service=other.test", basicHeader("alice", "right")), err: errTokenRequest},
		{name: "GET with too many scopes", request: query(strings.Repeat("scope=a&", maxScopes+1)), err: errTokenRequest},
		{name: "GET with two headers", request: query("", basicHeader("alice", "right"), "Bearer x"), err: errTwoCredentials},
		{name: "POST with a password", request: form(url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {"right"}, "service": {"sreg.test"}}), user: "alice"},
		{name: "POST with a password, to stay", request: form(url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {"right"}, "access_type": {"offline"}}), user: "alice", refresh: true},
		{name: "POST with a wrong password", request: form(url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {"wrong"}}), err: access.ErrInvalidCredentials},
		{name: "POST with a refresh token", request: form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {answer.RefreshToken}}), user: "alice", refresh: true},
		{name: "POST with an access token to refresh", request: form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {answer.Token}}), err: access.ErrInvalidCredentials},
		{name: "POST without a refresh token", request: form(url.Values{"grant_type": {"refresh_token"}}), err: errTokenRequest},
		{name: "POST of another grant", request: form(url.Values{"grant_type": {"authorization_code"}}), err: errTokenRequest},
		{name: "POST of JSON", request: json, err: errTokenRequest},
		{name: "POST of a megabyte", request: form(url.Values{"grant_type": {"password"}, "password": {strings.Repeat("x", 1<<20)}}), err: errTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			request, err := f.ReadTokenRequest(tt.request)
			var got TokenAnswer
			if err == nil {
				got, err = f.Token(t.Context(), request)
			}
			if !errors.Is(err, tt.err) || (err != nil) != (tt.err != nil) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			identity, outcome := ask(t, f.Authenticator, bearer(got.Token))
			if identity.Username != tt.user || outcome.Method != Token || (got.RefreshToken != "") != tt.refresh {
				t.Errorf("got %+v, %+v, refresh %v, want user %q and refresh %v", identity, outcome, got.RefreshToken != "", tt.user, tt.refresh)
			}
		})
	}
}

func TestTokensMayBeOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := tokenFor(t, f.Authenticator, basic("alice", "right")).Token
	f.opts.Config.Token.Enabled = false
	off := f.again(t)
	if _, err := off.Token(t.Context(), TokenRequest{}); !errors.Is(err, access.ErrNoTokens) {
		t.Errorf("got error %v, want %v", err, access.ErrNoTokens)
	}
	if identity, _ := ask(t, off, bearer(token)); !identity.Anonymous() {
		t.Errorf("got %+v with a token of before, want nobody", identity)
	}
	if got := off.Challenge(get(), "repository:a:pull"); got != `Basic realm="sreg.test", charset="UTF-8"` {
		t.Errorf("got the challenge %s", got)
	}
}

func TestReplicasThatStartTogetherHaveOneKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token.pem")
	var ids sync.Map
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			key, err := (&tokens{store: KeyFile{Path: path}}).load(t.Context(), true)
			if err != nil {
				t.Error(err)
				return
			}
			ids.Store(key.id, true)
		})
	}
	work.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("got %d keys, want one", n)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("got the mode %o, want 600", info.Mode().Perm())
	}
}

func TestAKeyThatCannotSign(t *testing.T) {
	t.Parallel()
	rsaDER, err := x509.MarshalPKCS8PrivateKey(newRSA())
	must(t, err)
	for name, tt := range map[string]struct{ content, want string }{
		"no PEM":          {"canary-secret", "openssl genpkey"},
		"a certificate":   {"-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n", "PRIVATE KEY"},
		"a broken block":  {"-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n", "PKCS #8"},
		"a key of RSA":    {string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rsaDER})), "Ed25519"},
		"an empty string": {"", "PRIVATE KEY"},
	} {
		if _, err := parseKey([]byte(tt.content)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestCheckKeyCreatesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	must(t, f.CheckKey(t.Context()))
	if f.opts.Keys.(*keysInMemory).key != nil {
		t.Error("a key was made")
	}
	f.opts.Keys = KeyFile{Path: filepath.Join(t.TempDir(), "absent.pem")}
	f.opts.Config.Token.KeyFile = "absent.pem"
	if err := f.again(t).CheckKey(context.Background()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v for a key_file that is not there, want %v", err, os.ErrNotExist)
	}
}
