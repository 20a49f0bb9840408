package authn

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/secret"
)

func refresh(answer TokenAnswer) TokenRequest {
	return TokenRequest{RefreshToken: secret.New(answer.RefreshToken)}
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
		{name: "GET with a password, to stay", request: query("offline_token=true&client_id=mine", basicHeader("alice", "right")), user: "alice", refresh: true},
		{name: "GET of docker login", request: query("offline_token=true&client_id=docker", basicHeader("alice", "right")), user: "alice"},
		{name: "GET of nerdctl login", request: query("offline_token=true&client_id=containerd-client", basicHeader("alice", "right")), user: "alice"},
		{name: "GET of a pull with a wrong password", request: query("scope=repository:a:pull", basicHeader("alice", "wrong"))},
		{name: "POST of a pull with a wrong password, to stay", request: form(url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {"wrong"}, "access_type": {"offline"}, "scope": {"repository:a:pull"}})},
		{name: "POST of a pull with a wrong refresh token", request: form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {answer.Token}, "scope": {"repository:a:pull"}})},
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

func TestWhoGetsARefreshToken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		setting, client string
		offline, want   bool
	}{
		{"docker", "docker", true, false},
		{"docker", "containerd-client", true, false},
		{"docker", "", true, true},
		{"docker", "", false, false},
		{"always", "docker", true, true},
		{"always", "docker", false, false},
		{"never", "", true, false},
	} {
		f := newFixture(t, func(f *fixture) { f.opts.Config.Token.Refresh = tt.setting })
		answer, err := f.Token(t.Context(), TokenRequest{Credentials: basic("alice", "right"), Offline: tt.offline, Client: tt.client})
		if err != nil || (answer.RefreshToken != "") != tt.want {
			t.Errorf("%+v: got a refresh token: %v, %v", tt, answer.RefreshToken != "", err)
		}
	}
}

// TestAWrongCredentialForAPull: with reject it is refused, as everywhere.
func TestAWrongCredentialForAPull(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(f *fixture) { f.opts.Config.InvalidCredentials = "reject" })
	_, err := f.Token(t.Context(), TokenRequest{Credentials: basic("alice", "wrong"), Scopes: []string{"repository:a:pull"}})
	if !errors.Is(err, access.ErrInvalidCredentials) {
		t.Errorf("got error %v, want %v", err, access.ErrInvalidCredentials)
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
