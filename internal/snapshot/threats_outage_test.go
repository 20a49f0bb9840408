package snapshot_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestThreatOutageOfAProvider: a token that may be right is 503 while nobody can know, never 404 or 403, and
// never lets anybody in. What is known to be wrong stays wrong.
func TestThreatOutageOfAProvider(t *testing.T) {
	t.Parallel()
	provider := newIssuer(t)
	provider.down.Store(true)
	for _, hide := range []string{"", "hide_denied: true, "} {
		w := newWorld(t, setup{config: provider.config() + "policy: {" + hide + "rules: [\"identity.username != null\"]}\n", users: user(t, "a")})
		w.pushImage(signIn("a"), "app", "v1", "one")
		maybe := provider.token(t, nil)
		for _, c := range []call{
			{method: "GET", path: "/v2/app/manifests/v1", auth: "Bearer " + maybe},
			{method: "HEAD", path: "/v2/app/manifests/v1", auth: "Bearer " + maybe},
			{method: "GET", path: "/v2/app/manifests/none", auth: "Bearer " + maybe},
			{method: "GET", path: "/v2/app/blobs/" + digestOf("layer one"), auth: basic("ci", maybe)},
			{method: "POST", path: "/v2/app/blobs/uploads/", auth: "Bearer " + maybe},
			{method: "GET", path: "/v2/", auth: "Bearer " + maybe},
			{method: "GET", path: "/token", auth: basic("ci", maybe)},
		} {
			r := w.do(c).is(t, http.StatusServiceUnavailable)
			if r.header.Get("Retry-After") == "" || r.header.Get("Www-Authenticate") != "" {
				t.Errorf("%s: headers %v, want Retry-After and no challenge", c, r.header)
			}
		}
		w.get("/v2/app/manifests/v1", "Bearer "+w.hopeless(provider)).is(t, http.StatusUnauthorized)
		w.get("/v2/app/manifests/v1", signIn("a")).is(t, http.StatusOK)
	}
}

// hopeless is a token that no key could make right.
func (w *world) hopeless(provider *issuer) string {
	return raw(w.t, map[string]any{"alg": "none"}, provider.claims(nil), nil)
}

// TestThreatOutageOfAWebhook: an endpoint that does not say yes denies, as 401 or 403 and not as if nothing
// were there; what it says again counts again.
func TestThreatOutageOfAWebhook(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	status.Store(http.StatusOK)
	gone := make(chan struct{})
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch code := int(status.Load()); code {
		case 0: // no answer
			select {
			case <-gone:
			case <-r.Context().Done():
			}
		case 1: // a broken one
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(code)
		}
	}))
	t.Cleanup(endpoint.Close)
	t.Cleanup(func() { close(gone) })
	w := newWorld(t, setup{
		config: "webhooks: [{name: guard, url: '" + endpoint.URL + "', timeout: 200ms, cache_ttl: 0s}]\npolicy: {default: allow, webhook: guard}\n",
		users:  user(t, "a"),
	})
	w.pushImage(signIn("a"), "app", "v1", "one")
	for _, code := range []int64{0, 1, 302, 404, 410, 429, 500, 502, 503} {
		status.Store(code)
		for _, path := range []string{"/v2/app/manifests/v1", "/v2/app/manifests/none", "/v2/none/tags/list", "/v2/_catalog", "/metrics"} {
			r := w.get(path, signIn("a")).is(t, http.StatusForbidden)
			if path != "/metrics" && r.code() != "DENIED" {
				t.Errorf("endpoint answers %d: %s", code, r.body)
			}
		}
		w.get("/v2/app/manifests/v1", "").is(t, http.StatusUnauthorized)
		w.get("/v2/", signIn("a")).is(t, http.StatusOK)
	}
	status.Store(http.StatusOK)
	w.get("/v2/app/manifests/v1", signIn("a")).is(t, http.StatusOK)
	w.get("/v2/app/manifests/none", signIn("a")).is(t, http.StatusNotFound)
}

// TestThreatDecisionForAnother: what a webhook allowed to one is not remembered for anybody else, nor for
// anything else.
func TestThreatDecisionForAnother(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var q struct {
			Identity struct {
				Username string `json:"username"`
				ClientIP string `json:"client_ip"`
			} `json:"identity"`
			Request struct {
				Action    string `json:"action"`
				Namespace string `json:"namespace"`
			} `json:"request"`
		}
		_ = json.NewDecoder(r.Body).Decode(&q)
		if q.Identity.Username != "a" || q.Identity.ClientIP != "192.0.2.1" || q.Request.Namespace != "app" || strings.HasPrefix(q.Request.Action, "delete") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(endpoint.Close)
	w := newWorld(t, setup{
		config: behindProxy + "webhooks: [{name: guard, url: '" + endpoint.URL + "', timeout: 10s, cache_ttl: 1h}]\npolicy: {default: allow, webhook: guard}\n",
		users:  user(t, "a") + user(t, "b"),
	})
	get := func(method, path, auth, address string) int {
		return w.do(call{method: method, path: path, auth: auth, header: from(address)}).status
	}
	begun := time.Now()
	for range 3 {
		for _, tt := range []struct {
			method, path, auth, address string
			status                      int
		}{
			{"GET", "/v2/app/manifests/v1", signIn("a"), "192.0.2.1", 404},
			{"GET", "/v2/app/manifests/v1", w.token(signIn("a")), "192.0.2.1", 404},
			{"GET", "/v2/app/manifests/v1", signIn("b"), "192.0.2.1", 403},
			{"GET", "/v2/app/manifests/v1", "", "192.0.2.1", 401},
			{"GET", "/v2/app/manifests/v1", signIn("a"), "192.0.2.2", 403},
			{"GET", "/v2/other/manifests/v1", signIn("a"), "192.0.2.1", 403},
			{"DELETE", "/v2/app/manifests/v1", signIn("a"), "192.0.2.1", 403},
		} {
			if got := get(tt.method, tt.path, tt.auth, tt.address); got != tt.status {
				t.Errorf("%s %s as %.12s from %s: status %d, want %d", tt.method, tt.path, tt.auth, tt.address, got, tt.status)
			}
		}
	}
	if n := asked.Load(); n != 6 {
		t.Errorf("the endpoint was asked %d times in %v, want 6: once for each question", n, time.Since(begun))
	}
}
