package snapshot_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestThreatSecretsInLogsOverHTTP plants secrets everywhere that requests and the config have them, and
// looks for them in all that comes out: logs at debug level with the access log, the audit log, metrics,
// answers, and what is kept on the disk.
func TestThreatSecretsInLogsOverHTTP(t *testing.T) {
	t.Parallel()
	provider := newIssuer(t)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(endpoint.Close)
	users := user(t, "a") + user(t, "b")
	folder := t.TempDir()
	hookToken := write(t, folder, "hook", "canary-hook-token")
	auth := strings.Replace(provider.config(), "auth: {", "auth: {throttle: {failures: 3}, users: [{name: c, password_hash: '"+hash(t, "c-secret")+"'}], ", 1)
	w := newWorld(t, setup{
		config: auth + "log: {level: debug, access: {enabled: true}}\n" +
			"webhooks: [{name: guard, url: '" + endpoint.URL + "/canary-path', bearer_token: 'file:" + hookToken + "'}]\n" +
			"repositories: [{name: hooked, policy: {default: allow, webhook: guard}}]\n" +
			"policy: {rules: [{name: fails, expr: \"identity.oidc.claims['absent'] == 'x'\"}, \"identity.username == 'a'\"]}\n",
		users: users,
	})
	tokens := w.tokens(signIn("a"))
	oidc := provider.token(t, map[string]any{"canary": "canary-claim", "preferred_username": "b"})
	expired := provider.token(t, map[string]any{"exp": 1, "canary": "canary-claim"})
	secrets := []string{
		"a-secret", "b-secret", "c-secret", "canary-", tokens.Token, tokens.Refresh, oidc, expired, strings.Split(oidc, ".")[2], strings.Split(tokens.Token, ".")[2],
	}
	for line := range strings.Lines(users) {
		secrets = append(secrets, strings.Split(line, ":")[1])
	}
	for _, plain := range []string{"a:a-secret", "a:canary-password", "c:c-secret"} {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(plain)))
	}

	var answers strings.Builder
	say := func(c call) {
		r := w.do(c)
		answers.WriteString(r.plain())
	}
	credentials := []string{
		signIn("a"), signIn("c"), basic("a", "canary-password"), basic("canary-user", "canary-password"), "Bearer " + tokens.Token, "Bearer " + tokens.Refresh,
		"Bearer " + oidc, basic("ci", oidc), basic("ci", expired), "Bearer " + expired, "Bearer canary-token", "Canary canary-token", "Basic canary-basic", basic("a", "canary-password2"), basic("a", "canary-password3"), basic("a", "canary-password4"),
	}
	for _, credential := range credentials {
		for _, c := range []call{
			{method: "GET", path: "/v2/"},
			{method: "GET", path: "/v2/_catalog"},
			{method: "GET", path: "/v2/app/manifests/v1"},
			{method: "GET", path: "/v2/hooked/app/manifests/v1"},
			{method: "POST", path: "/v2/app/blobs/uploads/"},
			{method: "PATCH", path: "/v2/app/blobs/uploads/none"},
			{method: "BREW", path: "/v2/"},
			{method: "GET", path: "/nothing"},
			{method: "GET", path: "/metrics"},
			{method: "GET", path: "/", header: http.Header{"Accept": {"text/html"}}},
		} {
			c.auth = credential
			if c.header == nil {
				c.header = http.Header{}
			}
			c.header.Set("Cookie", "session=canary-cookie")
			c.header.Set("Proxy-Authorization", "Basic canary-proxy")
			c.header.Set("X-Registry-Auth", "canary-docker")
			say(c)
		}
	}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, body := range []url.Values{
		{"grant_type": {"password"}, "username": {"a"}, "password": {"canary-form"}},
		{"grant_type": {"refresh_token"}, "refresh_token": {"canary-refresh"}},
		{"grant_type": {"canary-grant"}, "client_secret": {"canary-client"}},
		{"grant_type": {"password"}, "username": {"a"}, "password": {"canary-form"}, "service": {"other"}},
	} {
		say(call{method: "POST", path: "/token", header: form, body: body.Encode()})
	}
	say(call{method: "GET", path: "/token?account=a&password=canary-query&client_secret=canary-query"})
	say(call{method: "GET", path: "/v2/?access_token=canary-query&token=canary-query"})
	say(call{method: "GET", path: "/v2/app/manifests/v1?token=canary-query"})
	say(call{method: "GET", path: "/token", auth: basic("a", "canary-throttled")})

	metrics := w.get("/metrics", tokenOf(tokens)).is(t, http.StatusOK).body
	for where, text := range map[string]string{
		"logs": w.logs.String(), "audit log": w.audit.String(), "metrics": metrics, "answers": answers.String(), "store": everythingBelow(t, w.root),
	} {
		if text == "" {
			t.Errorf("there is nothing in the %s, so nothing was looked at", where)
		}
		for _, secret := range secrets {
			for _, form := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("the %s have %.40q: ...%s...", where, secret, text[max(0, i-150):min(len(text), i+60)])
					break
				}
			}
		}
	}
}

func tokenOf(answer tokenAnswer) string { return "Bearer " + answer.Token }

// everythingBelow is all files below a folder, with their names.
func everythingBelow(t testing.TB, root string) string {
	t.Helper()
	var all bytes.Buffer
	must(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all.WriteString(path + "\n")
		all.Write(content)
		return err
	}))
	return all.String()
}
