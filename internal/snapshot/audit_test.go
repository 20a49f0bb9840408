package snapshot_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// records are those of the audit log that have a message, each as the values of some keys.
func (w *world) records(message string, keys ...string) (found []string) {
	w.t.Helper()
	for line := range strings.Lines(w.audit.String()) {
		var record map[string]any
		must(w.t, json.Unmarshal([]byte(line), &record))
		if record["msg"] != message {
			continue
		}
		var values []string
		for _, key := range keys {
			values = append(values, fmt.Sprint(record[key]))
		}
		found = append(found, strings.Join(values, " | "))
	}
	return found
}

// TestSignInsThatFailAreAudited wants a record of each, which tells nothing that may be a password.
func TestSignInsThatFailAreAudited(t *testing.T) {
	t.Parallel()
	for _, config := range []string{"invalid_credentials: next", "invalid_credentials: reject"} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{
				config: "auth: {" + config + ", throttle: {failures: 3, window: 1h}}\npolicy: {default: allow}\n" + behindProxy,
				users:  user(t, "a"),
			})
			ask := func(path, auth, address string) {
				w.do(call{method: "GET", path: path, auth: auth, header: from(address)})
			}
			ask("/v2/app/tags/list", basic("a", "canary"), "192.0.2.1")
			ask("/v2/", basic("canary", "a"), "192.0.2.2")
			ask("/v2/", "Bearer canary", "192.0.2.3")
			ask("/token?scope=repository:app:pull", basic("a", "canary4"), "192.0.2.4")
			ask("/token", basic("a", "canary2"), "192.0.2.1")
			w.do(call{
				method: "POST", path: "/token", body: "grant_type=password&service=sreg&username=a&password=canary3",
				header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Forwarded-For": {"192.0.2.1"}},
			})
			ask("/token", signIn("a"), "192.0.2.1")
			w.get("/token", signIn("a")).is(t, http.StatusOK)
			w.get("/v2/", signIn("a")).is(t, http.StatusOK)
			w.get("/v2/_catalog", "")
			got := strings.Join(w.records("sign-in failed", "action", "namespace", "username", "client", "reason"), "\n")
			const invalid = "the credentials are not valid here: "
			want := strings.Join([]string{
				"list-tags | app | a | 192.0.2.1 | wrong user name or password",
				"get-api-version |  |  | 192.0.2.2 | wrong user name or password",
				"get-api-version |  |  | 192.0.2.3 | the token is not known here",
				"get-token |  | a | 192.0.2.4 | wrong user name or password",
				"get-token |  | a | 192.0.2.1 | wrong user name or password",
				"get-token |  | a | 192.0.2.1 | wrong user name or password",
				"get-token |  | a | 192.0.2.1 | too many wrong passwords, wait before the next attempt",
			}, "\n")
			if got := strings.ReplaceAll(got, invalid, ""); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.Contains(w.audit.String(), "canary") {
				t.Errorf("the audit log tells what was typed: %s", w.audit)
			}
		})
	}
}

// TestThreatRequestIDsOfClients: whoever chooses the id of another request does not pass for it.
func TestThreatRequestIDsOfClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{config: "policy: {default: allow}\n"})
	own := w.get("/v2/_catalog", "").header.Get("X-Request-Id")
	for _, id := range []string{own, own, strings.Repeat("x", 129), "a\tb"} {
		w.do(call{method: "GET", path: "/v2/_catalog", header: http.Header{"X-Request-Id": {id}}}).is(t, http.StatusOK)
	}
	seen := map[string]bool{}
	for i, record := range w.records("decision", "request_id", "client_request_id") {
		id, sent, _ := strings.Cut(record, " | ")
		if seen[id] || id == "" {
			t.Errorf("record %d has the id %q, want one that no other record has", i, id)
		}
		seen[id] = true
		if want := []string{"", own, own, "", ""}[i]; sent != want {
			t.Errorf("record %d: the client sent the id %q, want %q", i, sent, want)
		}
	}
	if len(seen) != 5 {
		t.Errorf("got records of %d requests, want 5", len(seen))
	}
}

// TestWhereTheAuditLogCannotBeWritten: requests go on without a record, unless one is required.
func TestWhereTheAuditLogCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, required := range []bool{false, true} {
		t.Run(fmt.Sprintf("required %v", required), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{
				config: fmt.Sprintf("policy: {default: allow}\nlog: {audit: {file: a, required: %v}}\n", required), users: user(t, "a"),
			})
			w.pushImage("", "app", "1", "a")
			d := digestOf("layer a")
			full := func(full bool) {
				w.audit.mu.Lock()
				defer w.audit.mu.Unlock()
				w.audit.full = full
			}
			requests := []struct {
				call
				status int
			}{
				{call{method: "GET", path: "/v2/app/manifests/1"}, 200},
				{call{method: "GET", path: "/v2/_catalog"}, 200},
				{call{method: "POST", path: "/v2/other/blobs/uploads/?mount=" + d + "&from=app"}, 201},
				{call{method: "GET", path: "/token", auth: basic("a", "wrong")}, 401},
				{call{method: "DELETE", path: "/v2/app/manifests/1"}, 202},
			}
			full(true)
			for _, r := range requests {
				want := r.status
				if required {
					want = http.StatusServiceUnavailable
				}
				w.do(r.call).is(t, want)
			}
			w.get("/healthz", "").is(t, http.StatusOK)
			w.get("/token", signIn("a")).is(t, http.StatusOK) // nothing is decided
			full(false)
			if required {
				for _, r := range requests {
					w.do(r.call).is(t, r.status)
				}
			}
		})
	}
}
