package snapshot_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/config"
)

// behindProxy is a config whose one proxy is this computer.
const behindProxy = "server: {trusted_proxies: [127.0.0.1]}\n"

func from(address string) http.Header { return http.Header{"X-Forwarded-For": {address}} }

// TestThreatGuessedPasswords: who guesses is told to wait, at the API and at the token service, and nobody
// else is: not another user from there, nor this user from elsewhere, nor who has a token.
func TestThreatGuessedPasswords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{
		config: behindProxy + "auth: {throttle: {failures: 3, window: 1h}}\npolicy: {default: allow}\n",
		users:  user(t, "a") + user(t, "b"),
	})
	token := w.token(signIn("b"))
	ask := func(path, auth, address string) reply {
		return w.do(call{method: "GET", path: path, auth: auth, header: from(address)})
	}
	form := func(password, address string) reply {
		header := from(address)
		header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
		return w.do(call{method: "POST", path: "/token", header: header, body: "grant_type=password&service=sreg&username=a&password=" + password})
	}
	ask("/v2/", basic("a", "1"), "192.0.2.1").is(t, http.StatusUnauthorized)
	ask("/token", basic("a", "2"), "192.0.2.1").is(t, http.StatusUnauthorized)
	form("3", "192.0.2.1").is(t, http.StatusUnauthorized)
	for _, r := range []reply{
		ask("/v2/", basic("a", "4"), "192.0.2.1"), ask("/v2/_catalog", basic("a", "5"), "192.0.2.1"), ask("/token", basic("a", "6"), "192.0.2.1"),
		form("7", "192.0.2.1"), ask("/v2/", signIn("a"), "192.0.2.1"), // the right one, too: else the answer would tell
	} {
		wait, err := strconv.Atoi(r.is(t, http.StatusTooManyRequests).header.Get("Retry-After"))
		if err != nil || wait < 1 || wait > 3600 || r.code() != "TOOMANYREQUESTS" {
			t.Errorf("%s: Retry-After %q, body %s", r.call, r.header.Get("Retry-After"), r.body)
		}
	}
	ask("/v2/", signIn("b"), "192.0.2.1").is(t, http.StatusOK)
	ask("/v2/", token, "192.0.2.1").is(t, http.StatusOK)
	ask("/v2/_catalog", "", "192.0.2.1").is(t, http.StatusOK)
	ask("/v2/", signIn("a"), "192.0.2.2").is(t, http.StatusOK)
	ask("/token", signIn("a"), "192.0.2.2").is(t, http.StatusOK)
	metrics := w.get("/metrics", "").body
	for _, line := range []string{`sreg_auth_attempts_total{method="basic",result="throttled"} 5`, `sreg_auth_attempts_total{method="basic",result="rejected"} 3`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
}

// TestThreatWrongPasswordsLockOutTheRightOne: whoever has signed in with a password goes on with it, whatever wrong ones
// come from the same address for the same user, and those are slowed all the same. Nothing is remembered for longer than
// a nanosecond here.
func TestThreatWrongPasswordsLockOutTheRightOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{
		config: "auth: {throttle: {failures: 3, window: 1h}, basic: {remember: 1ns}}\n" + closedPolicy, users: user(t, "a") + user(t, "b"),
	})
	w.get("/v2/", signIn("a")).is(t, http.StatusOK)
	for range 3 {
		w.get("/v2/", basic("a", "stale")).is(t, http.StatusUnauthorized)
	}
	for range 10 {
		w.get("/v2/", basic("a", "stale")).is(t, http.StatusTooManyRequests)
		w.get("/v2/", signIn("a")).is(t, http.StatusOK)
		w.get("/token?service=sreg", signIn("a")).is(t, http.StatusOK)
		w.get("/v2/", signIn("b")).is(t, http.StatusOK)
	}
}

// TestThreatSpoofedClientAddress: only what a trusted proxy wrote is an address, for rules as for the
// counting of guesses.
func TestThreatSpoofedClientAddress(t *testing.T) {
	t.Parallel()
	const rules = "policy: {rules: [\"identity.client_ip == '10.1.2.3'\"]}\n"
	for _, tt := range []struct {
		name, proxies string
		header        http.Header
		status        int
	}{
		{"no proxy is trusted", "", from("10.1.2.3"), 403},
		{"nor its Forwarded", "", http.Header{"Forwarded": {"for=10.1.2.3"}}, 403},
		{"nor any other header", "", http.Header{"X-Real-Ip": {"10.1.2.3"}, "X-Client-Ip": {"10.1.2.3"}, "True-Client-Ip": {"10.1.2.3"}, "Cf-Connecting-Ip": {"10.1.2.3"}}, 403},
		{"another proxy is trusted", "server: {trusted_proxies: [192.0.2.0/24]}\n", from("10.1.2.3"), 403},
		{"the proxy says so", behindProxy, from("10.1.2.3"), 200},
		{"the client says so to the proxy", behindProxy, from("10.1.2.3, 203.0.113.9"), 403},
		{"the client says so, and that a proxy was there", behindProxy, from("10.1.2.3, 127.0.0.1, 203.0.113.9"), 403},
		{"in a header of its own", behindProxy, http.Header{"X-Forwarded-For": {"10.1.2.3", "203.0.113.9"}}, 403},
		{"in the header that the proxy does not write", behindProxy, http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Forwarded": {"for=10.1.2.3"}}, 400},
		{"something that is no address", behindProxy, from("10.1.2.3, x"), 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{config: tt.proxies + rules})
			w.do(call{method: "GET", path: "/v2/_catalog", header: tt.header}).is(t, tt.status)
		})
	}
	t.Run("no new address gives new guesses", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, setup{config: "auth: {throttle: {failures: 3, window: 1h}}\npolicy: {default: deny}\n", users: user(t, "a")})
		for i := range 5 {
			status := http.StatusUnauthorized
			if i >= 3 {
				status = http.StatusTooManyRequests
			}
			w.do(call{method: "GET", path: "/v2/", auth: basic("a", strconv.Itoa(i)), header: from(fmt.Sprintf("192.0.2.%d", i))}).is(t, status)
		}
	})
}

// TestThreatMemoryExhaustedByCredentials: thousands of credentials, large and wrong, leave nothing behind.
func TestThreatMemoryExhaustedByCredentials(t *testing.T) {
	provider := newIssuer(t)
	w := newWorld(t, setup{config: behindProxy + provider.config() + "policy: {default: allow}\n", users: user(t, "a")})
	claims := provider.token(t, map[string]any{"aud": "other", "x": strings.Repeat("x", 30<<10)})
	flood := func(round int) {
		var work sync.WaitGroup
		for worker := range 8 {
			work.Go(func() {
				for i := range 60 {
					name := fmt.Sprintf("%d-%d-%d", round, worker, i)
					address := fmt.Sprintf("198.18.%d.%d", worker, i)
					if i%20 == 0 { // they cost time on purpose
						w.do(call{method: "GET", path: "/v2/", header: from(address), auth: basic(name+strings.Repeat("u", 35<<10), strings.Repeat("p", 900))})
					}
					w.do(call{method: "GET", path: "/v2/_catalog", header: from(address), auth: "Bearer " + name + claims})
					w.do(call{method: "GET", path: "/v2/_catalog", header: from(address), auth: "Bearer " + claims})
				}
			})
		}
		work.Wait()
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	flood(0)
	before := heap()
	flood(1)
	flood(2)
	after := heap()
	t.Logf("heap %d KiB, then %d KiB", before>>10, after>>10)
	if after > before+4<<20 {
		t.Errorf("2,000 wrong credentials grew the heap from %d to %d bytes", before, after)
	}
	w.get("/v2/", signIn("a")).is(t, http.StatusOK)
}

// TestThreatDefaultCredentials: nobody is there who was not configured, and what the documentation shows as
// a secret is refused as one.
func TestThreatDefaultCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{config: "policy: {default: deny}\n", users: user(t, "zoe")})
	for _, name := range []string{"admin", "root", "sreg", "user", "guest", "registry", "alice", "zoe", "test", "docker", "ci", ""} {
		for _, password := range []string{"", "admin", "password", "sreg", name, "12345", "Harbor12345", "changeme", "secret"} {
			if name+password == "" {
				continue
			}
			// Each name from another address would not be slowed down; from one, all are.
			if r := w.get("/v2/", basic(name, password)); r.status != http.StatusUnauthorized && r.status != http.StatusTooManyRequests {
				t.Errorf("%q with %q: status %d", name, password, r.status)
			}
		}
	}
	cfg := config.Default()
	if cfg.Auth.Active() {
		t.Error("somebody can sign in by default")
	}
	for _, page := range []string{"authentication", "configuration", "getting-started", "policies", "users", "webhooks", "security"} {
		text, err := os.ReadFile("../../docs/" + page + ".md")
		must(t, err)
		for _, sample := range regexp.MustCompile(`\$(?:argon2id|2[aby])\$[^\s"'`+"`"+`:|]*`).FindAllString(string(text), -1) {
			file := write(t, t.TempDir(), "sreg.yaml", fmt.Sprintf("policy: {default: deny}\nauth: {users: [{name: alice, password_hash: %q}]}\n", sample))
			if _, _, err := config.Load(config.Options{Files: []string{file}}); err == nil {
				t.Errorf("docs/%s.md shows the hash %s, which signs somebody in", page, sample)
			}
		}
	}
}

// TestThreatLockOutBehindASocket: to sreg all who come by a unix socket are one client, and none of them locks a user
// out; behind a proxy that is trusted each has an address.
func TestThreatLockOutBehindASocket(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		t.Run(fmt.Sprintf("trusted %v", trusted), func(t *testing.T) {
			t.Parallel()
			folder, err := os.MkdirTemp("", "") // a path of a socket must be short
			must(t, err)
			t.Cleanup(func() { os.RemoveAll(folder) })
			path := filepath.Join(folder, "s")
			config := fmt.Sprintf("listeners: [{name: main, address: 'unix:%s'}]", path)
			if trusted {
				config += ", trusted_proxies: [unix]"
			}
			w := newWorld(t, setup{
				config: "server: {" + config + "}\nauth: {basic: {remember: 0s}, throttle: {failures: 3, window: 1h}}\npolicy: {default: allow}\n",
				users:  user(t, "a"),
			})
			w.url = "http://sreg"
			w.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}}
			ask := func(auth, address string) reply {
				return w.do(call{method: "GET", path: "/v2/", auth: auth, header: from(address)})
			}
			for range 40 {
				ask(basic("a", "wrong"), "192.0.2.1")
			}
			ask(signIn("a"), "192.0.2.2").is(t, http.StatusOK)
			if trusted {
				ask(signIn("a"), "192.0.2.1").is(t, http.StatusTooManyRequests)
			} else {
				ask(signIn("a"), "192.0.2.1").is(t, http.StatusOK)
			}
		})
	}
}
