package snapshot_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestTheRootTellsHowToSignInWhereOneCan: to a terminal and to a browser.
func TestTheRootTellsHowToSignInWhereOneCan(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]setup{
		"nobody can": {config: "policy: {default: allow}\n"},
		"users can":  {config: "policy: {default: allow}\n", users: user(t, "a")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, set)
			for _, accept := range []string{"*/*", "text/html"} {
				r := w.do(call{method: "GET", path: "/", header: http.Header{"Accept": {accept}}}).is(t, 200)
				if got, want := strings.Contains(r.body, "docker login "+strings.TrimPrefix(w.url, "http://")), set.users != ""; got != want {
					t.Errorf("to %s it tells of docker login: %t, want %t\n%s", accept, got, want, r.body)
				}
			}
		})
	}
}
