package authn

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// zitadel is a real provider: zitadel's, with its example's users, whose keys rotate, whose tokens have
// groups and end soon.
type zitadel struct {
	*storage.Storage
	url    string
	client *http.Client

	mu   sync.Mutex
	keys []zitadelKey // the last one signs
	life time.Duration
}

type zitadelKey struct {
	id      string
	private *rsa.PrivateKey
	public  bool
}

func (k zitadelKey) ID() string { return k.id }

func (k zitadelKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }

func (k zitadelKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

func (k zitadelKey) Use() string { return "sig" }

func (k zitadelKey) Key() any {
	if k.public {
		return &k.private.PublicKey
	}
	return k.private
}

// newZitadel makes one with the client "web", which is also the audience of its tokens.
func newZitadel(t *testing.T) *zitadel {
	t.Helper()
	z := &zitadel{life: time.Hour}
	z.rotate(t, "first")
	var provider http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { provider.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	z.url, z.client = server.URL, server.Client()
	z.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	z.Storage = storage.NewStorageWithClients(storage.NewUserStore(z.url), map[string]*storage.Client{
		"web": storage.WebClient("web", "web-secret", "http://localhost:9999/auth/callback"),
	})
	made, err := op.NewProvider(&op.Config{CryptoKey: [32]byte{1}}, z, op.StaticIssuer(z.url), op.WithAllowInsecure())
	must(t, err)
	provider = made
	return z
}

// rotate makes a new key sign; the one before is still published, as providers do for a while.
func (z *zitadel) rotate(t *testing.T, id string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	z.mu.Lock()
	defer z.mu.Unlock()
	z.keys = append(z.keys, zitadelKey{id: id, private: private})
}

func (z *zitadel) SigningKey(context.Context) (op.SigningKey, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.keys[len(z.keys)-1], nil
}

func (z *zitadel) KeySet(context.Context) ([]op.Key, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	var keys []op.Key
	for _, key := range z.keys[max(0, len(z.keys)-2):] {
		key.public = true
		keys = append(keys, key)
	}
	return keys, nil
}

func (z *zitadel) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (z *zitadel) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest says what an ID token shall say beside its times.
func (z *zitadel) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, request op.IDTokenRequest, _ []string) error {
	info.Subject = request.GetSubject()
	info.AppendClaims("groups", []string{"dev", "ops"})
	info.AppendClaims("email", "test-user@zitadel.ch")
	return nil
}

// shortLived is the client, with tokens that end when the test wants.
type shortLived struct {
	op.Client
	life time.Duration
}

func (c shortLived) IDTokenLifetime() time.Duration { return c.life }

func (z *zitadel) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := z.Storage.GetClientByClientID(ctx, id)
	return shortLived{found, z.life}, err
}

// signIn goes the way of a browser: authorize, login, callback, code, token.
func (z *zitadel) signIn(t *testing.T) string {
	t.Helper()
	follow := func(response *http.Response, err error) *url.URL {
		must(t, err)
		response.Body.Close()
		location, err := response.Location()
		must(t, err)
		return location
	}
	login := follow(z.client.Get(z.url + "/authorize?" + url.Values{
		"client_id": {"web"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"}, "redirect_uri": {"http://localhost:9999/auth/callback"},
	}.Encode()))
	id := login.Query().Get("authRequestID")
	must(t, z.CheckUsernamePassword("test-user2", "verysecure", id))
	back := follow(z.client.Get(z.url + "/authorize/callback?id=" + url.QueryEscape(id)))
	request, err := http.NewRequest(http.MethodPost, z.url+"/oauth/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {"http://localhost:9999/auth/callback"},
	}.Encode()))
	must(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("web", "web-secret")
	response, err := z.client.Do(request)
	must(t, err)
	defer response.Body.Close()
	var answer struct {
		IDToken string `json:"id_token"`
	}
	must(t, json.NewDecoder(response.Body).Decode(&answer))
	if answer.IDToken == "" {
		t.Fatalf("sign in: got %s without an id token", response.Status)
	}
	return answer.IDToken
}
