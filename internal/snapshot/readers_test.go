package snapshot_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestPagesOfOtherHostsMayRead if the config names their origins exactly, and never write.
func TestPagesOfOtherHostsMayRead(t *testing.T) {
	t.Parallel()
	const ui = "https://ui.example"
	w := newWorld(t, setup{
		config: "server: {cors: {origins: [" + ui + "]}}\npolicy: {rules: [\"identity.username == 'a'\"]}\n", users: user(t, "a"),
	})
	w.pushImage(signIn("a"), "app", "1", "a")
	without := w.again(setup{config: "policy: {rules: [\"identity.username == 'a'\"]}\n", users: user(t, "a")})
	wants := func(name string) http.Header {
		return http.Header{"Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization"}, "Origin": {name}}
	}
	for _, tt := range []struct {
		name   string
		of     *world
		method string
		path   string
		auth   string
		header http.Header
		status int
		shared bool
	}{
		{"a page reads", w, "GET", "/v2/app/manifests/1", signIn("a"), http.Header{"Origin": {ui}}, 200, true},
		{"it sees how to sign in", w, "GET", "/v2/_catalog", "", http.Header{"Origin": {ui}}, 401, true},
		{"and that there is nothing", w, "GET", "/v2/none/tags/list", signIn("a"), http.Header{"Origin": {ui}}, 404, true},
		{"it gets a token", w, "GET", "/token?scope=repository:app:pull", signIn("a"), http.Header{"Origin": {ui}}, 200, true},
		{"it asks before", w, "OPTIONS", "/v2/app/manifests/1", "", wants(ui), 204, true},
		{"another page reads", w, "GET", "/v2/app/manifests/1", signIn("a"), http.Header{"Origin": {"https://ui.example.attacker.example"}}, 200, false},
		{"a page by http", w, "GET", "/v2/app/manifests/1", signIn("a"), http.Header{"Origin": {"http://ui.example"}}, 200, false},
		{"a page in a sandbox", w, "GET", "/v2/app/manifests/1", signIn("a"), http.Header{"Origin": {"null"}}, 200, false},
		{"two origins", w, "GET", "/v2/app/manifests/1", signIn("a"), http.Header{"Origin": {ui, ui}}, 200, false},
		{"another page asks before", w, "OPTIONS", "/v2/app/manifests/1", "", wants("https://attacker.example"), 405, false},
		{"no page", w, "GET", "/v2/app/manifests/1", signIn("a"), nil, 200, false},
		{"OPTIONS that asks for nothing", w, "OPTIONS", "/v2/app/manifests/1", "", http.Header{"Origin": {ui}}, 405, true},
		{"a page writes", w, "DELETE", "/v2/app/manifests/1", signIn("a"), http.Header{"Origin": {ui}}, 403, true},
		{"a page of the newer kind writes", w, "POST", "/v2/app/blobs/uploads/", signIn("a"), http.Header{"Origin": {ui}, "Sec-Fetch-Site": {"same-site"}}, 403, true},
		{"nobody is named", without, "GET", "/v2/app/manifests/1", signIn("a"), http.Header{"Origin": {ui}}, 200, false},
		{"nobody is named, asked before", without, "OPTIONS", "/v2/app/manifests/1", "", wants(ui), 405, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.of.do(call{method: tt.method, path: tt.path, auth: tt.auth, header: tt.header}).is(t, tt.status).header
			var told []string
			for name := range got {
				if strings.HasPrefix(name, "Access-Control-") {
					told = append(told, name)
				}
			}
			if tt.shared != (got.Get("Access-Control-Allow-Origin") == ui) || tt.shared != (len(told) > 0) {
				t.Errorf("got %v, want that the page may read it: %v", got, tt.shared)
			}
			// A password that the browser keeps is for what the page reads, and not for tokens, which are more than that.
			kept := got.Get("Access-Control-Allow-Credentials") == "true"
			if want := tt.shared && !strings.HasPrefix(tt.path, "/token"); kept != want {
				t.Errorf("the browser may send what it keeps: got %v, want %v", kept, want)
			}
			if want := map[bool]string{true: "Origin"}[tt.of == w]; got.Get("Vary") != want {
				t.Errorf("got Vary %q, want %q", got.Get("Vary"), want)
			}
			if tt.status == 204 && (got.Get("Access-Control-Allow-Methods") != "GET, HEAD" || !strings.Contains(got.Get("Access-Control-Allow-Headers"), "Authorization")) {
				t.Errorf("got %v, want what may be sent", got)
			}
		})
	}
}
