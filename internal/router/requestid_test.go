package router_test

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRequestsHaveIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(table("/api/", hello))
	given := func(path, id string) string {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		if id != "" {
			r.Header.Set("X-Request-Id", id)
		}
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		return w.Header().Get("X-Request-Id")
	}
	first, second := given("/api/thing", ""), given("/nowhere", "")
	if first == "" || second == "" || first == second {
		t.Errorf("ids are %q and %q", first, second)
	}
	if got := given("/api/thing", "proxy-0.1:abc_DEF"); got != "proxy-0.1:abc_DEF" {
		t.Errorf("a proxy's id became %q", got)
	}
	for _, id := range []string{`a"b`, "a b", "<script>", strings.Repeat("a", 129)} {
		if got := given("/api/thing", id); got == id || got == "" {
			t.Errorf("id %q became %q", id, got)
		}
	}
	for _, id := range []string{first, second, "proxy-0.1:abc_DEF"} {
		if !strings.Contains(f.logs.String(), "request_id="+id) {
			t.Errorf("id %s is not in the log", id)
		}
	}
}
