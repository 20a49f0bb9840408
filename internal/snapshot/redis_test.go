package snapshot_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/redis/go-redis/v9"

	"github.com/sreg-project/sreg/internal/redisclient/redistest"
)

// instances are two instances over one store and one Redis.
func instances(t *testing.T, server *redistest.Server, set setup) (a, b *world) {
	t.Helper()
	return instancesAt(t, server, "sreg:", set)
}

// instancesAt have keys of their own in the Redis.
func instancesAt(t *testing.T, server *redistest.Server, prefix string, set setup) (a, b *world) {
	t.Helper()
	set.config = fmt.Sprintf("locks: {type: redis, lease: 5s}\ncache: {type: redis}\nredis: {url: %q, key_prefix: %q}\n", server.URL(), prefix) + set.config
	a = newWorld(t, set)
	b = a.again(set)
	for _, w := range []*world{a, b} {
		w.client.Transport = balanced{w.client.Transport}
	}
	return a, b
}

func TestInstancesThrottleTogether(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	a, b := instances(t, server, setup{config: "auth: {throttle: {failures: 4, window: 1h}}\npolicy: {default: deny}\n", users: user(t, "a")})
	for i := range 4 {
		[]*world{a, b}[i%2].get("/v2/", basic("a", fmt.Sprint("wrong", i))).is(t, http.StatusUnauthorized)
	}
	for _, w := range []*world{a, b} {
		r := w.get("/v2/", basic("a", "wrong")).is(t, http.StatusTooManyRequests)
		if r.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.get("/v2/", basic("b", "wrong")).is(t, http.StatusUnauthorized)
	}
	server.Kill()
	for _, w := range []*world{a, b} {
		// Each knows what it has seen itself.
		w.get("/v2/", signIn("a")).is(t, http.StatusOK)
		for i := range 4 {
			w.get("/v2/", basic("c", fmt.Sprint("wrong", i))).is(t, http.StatusUnauthorized)
		}
		w.get("/v2/", basic("c", "wrong")).is(t, http.StatusTooManyRequests)
	}
}

func TestARightPasswordOnOneInstanceForgivesOnBoth(t *testing.T) {
	t.Parallel()
	server, prefix := redistest.Shared(t)
	a, b := instancesAt(t, server, prefix, setup{config: "auth: {throttle: {failures: 3, window: 1h}}\npolicy: {default: deny}\n", users: user(t, "a")})
	b.get("/v2/", basic("a", "wrong 1")).is(t, http.StatusUnauthorized)
	b.get("/v2/", basic("a", "wrong 2")).is(t, http.StatusUnauthorized)
	a.get("/v2/", signIn("a")).is(t, http.StatusOK)
	for i := range 3 {
		b.get("/v2/", basic("a", fmt.Sprint("wrong again ", i))).is(t, http.StatusUnauthorized)
	}
	b.get("/v2/", basic("a", "wrong")).is(t, http.StatusTooManyRequests)
}

// balanced sends requests as a balancer does: by its own name.
type balanced struct{ http.RoundTripper }

// CloseIdleConnections is that of the transport behind.
func (b balanced) CloseIdleConnections() {
	(&http.Client{Transport: b.RoundTripper}).CloseIdleConnections()
}

// RoundTrip sends a request by the balancer's name.
func (b balanced) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = "registry.example.com"
	return b.RoundTripper.RoundTrip(r)
}

func TestAWebhookIsAskedOnceForAllInstances(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	var asked atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked.Add(1) }))
	t.Cleanup(endpoint.Close)
	config := "policy: {default: deny, webhook: guard, rules: [\"true\"]}\nwebhooks: [{name: guard, url: %q, cache_ttl: 1h%s}]\n"
	a, b := instances(t, server, setup{config: fmt.Sprintf(config, endpoint.URL, "")})
	for range 3 {
		a.get("/v2/app/tags/list", "").is(t, http.StatusNotFound)
		b.get("/v2/app/tags/list", "").is(t, http.StatusNotFound)
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("the webhook was asked %d times, want once", got)
	}
	server.Pause()
	before := asked.Load()
	a.get("/v2/other/tags/list", "").is(t, http.StatusNotFound)
	a.get("/v2/other/tags/list", "").is(t, http.StatusNotFound)
	if got := asked.Load() - before; got != 1 {
		t.Errorf("without Redis the webhook was asked %d times by one instance, want once", got)
	}
	server.Resume()
	t.Run("forwarded headers stay in one instance", func(t *testing.T) {
		a, b := instances(t, server, setup{config: fmt.Sprintf(config, endpoint.URL, ", forward_headers: [X-Team]")})
		before := asked.Load()
		a.get("/v2/app/tags/list", "").is(t, http.StatusNotFound)
		b.get("/v2/app/tags/list", "").is(t, http.StatusNotFound)
		if got := asked.Load() - before; got != 2 {
			t.Errorf("the webhook was asked %d times, want by each instance", got)
		}
	})
}

func TestANewInstanceBeginsWithTheKeysOfProviders(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	provider := newIssuer(t)
	set := setup{config: provider.config() + "policy: {default: deny}\n"}
	a, _ := instances(t, server, set)
	token := "Bearer " + provider.token(t, nil)
	a.get("/v2/", token).is(t, http.StatusOK)
	provider.down.Store(true)
	_, b := instances(t, server, setup{config: set.config, root: a.root})
	b.get("/v2/", token).is(t, http.StatusOK)
	server.Kill()
	b.get("/v2/", "Bearer "+provider.token(t, map[string]any{"jti": "another"})).is(t, http.StatusOK)
}

// TestWithoutRedis: what can go on goes on, and what cannot is a 503 that says when to come again.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	a, b := instances(t, server, setup{config: "policy: {default: allow}\n", users: user(t, "a")})
	digest := a.pushBlob(signIn("a"), "app", "content")
	location := a.do(call{method: "POST", path: "/v2/app/blobs/uploads/", auth: signIn("a")}).is(t, http.StatusAccepted).header.Get("Location")
	server.Pause()
	b.get("/v2/", basic("a", "wrong")).is(t, http.StatusUnauthorized)
	b.get("/v2/", signIn("a")).is(t, http.StatusOK)
	b.get("/v2/app/blobs/"+digest, signIn("a")).is(t, http.StatusOK)
	begun := time.Now()
	r := b.do(call{method: "PATCH", path: location, auth: signIn("a"), body: "more"}).is(t, http.StatusServiceUnavailable)
	if r.header.Get("Retry-After") == "" || !strings.Contains(r.body, "locks") {
		t.Errorf("got %s, want Retry-After and a word about locks", r.plain())
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("that took %s, want some seconds", took)
	}
	server.Restart()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) { // as a client would
		r := a.do(call{method: "PATCH", path: location, auth: signIn("a"), body: "more"})
		if r.status == http.StatusAccepted {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("uploads do not go on: %s", r.plain())
		}
	}
	b.do(call{method: "PUT", path: location + "?digest=" + digestOf("more"), auth: signIn("a")}).is(t, http.StatusCreated)
}

// TestThreatForeignValuesInRedis: whoever can write to Redis, and knows how sreg does, makes nobody believe them. What
// they write is as if nothing were there.
func TestThreatForeignValuesInRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	var asked atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "secret") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(endpoint.Close)
	provider := newIssuer(t)
	set := setup{config: provider.config() + fmt.Sprintf("policy: {default: deny, webhook: guard, rules: [\"true\"]}\nwebhooks: [{name: guard, url: %q, cache_ttl: 1h}]\n", endpoint.URL)}
	a, _ := instances(t, server, set)
	token := "Bearer " + provider.token(t, nil)
	a.get("/v2/app/tags/list", token).is(t, http.StatusNotFound)
	a.get("/v2/secret/tags/list", token).is(t, http.StatusForbidden)

	options, err := redis.ParseURL(server.URL())
	must(t, err)
	attacker := redis.NewClient(options)
	t.Cleanup(func() { _ = attacker.Close() })
	answers, err := attacker.Keys(t.Context(), "sreg:cache:webhook:*").Result()
	must(t, err)
	keys, err := attacker.Keys(t.Context(), "sreg:cache:jwks:*").Result()
	must(t, err)
	if len(answers) != 2 || len(keys) != 1 {
		t.Fatalf("found %d answers and %d key sets in Redis, want 2 and 1", len(answers), len(keys))
	}
	first, second := attacker.Get(t.Context(), answers[0]).Val(), attacker.Get(t.Context(), answers[1]).Val()
	must(t, attacker.Set(t.Context(), answers[0], second, time.Hour).Err())
	must(t, attacker.Set(t.Context(), answers[1], first, time.Hour).Err())
	forger := &issuer{url: provider.url}
	forger.key, err = rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	forged, err := json.Marshal(map[string]any{
		"fetched": time.Now().UTC(), "keys": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: forger.key.Public(), KeyID: "one", Use: "sig"}}},
	})
	must(t, err)
	until := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(time.Hour).UnixMilli()))
	for _, before := range [][]byte{until, slices.Concat(until, make([]byte, 32), until)} { // as it was once, and as it is but for the code
		must(t, attacker.Set(t.Context(), keys[0], slices.Concat(before, forged), time.Hour).Err())
		_, b := instances(t, server, setup{config: set.config, root: a.root}) // it has nothing in its own memory
		before := asked.Load()
		b.get("/v2/", "Bearer "+forger.token(t, nil)).is(t, http.StatusUnauthorized)
		b.get("/v2/secret/tags/list", token).is(t, http.StatusForbidden)
		b.get("/v2/app/tags/list", token).is(t, http.StatusNotFound)
		if asked.Load() == before {
			t.Error("an answer that was moved to another question was believed")
		}
		must(t, attacker.Set(t.Context(), answers[0], second, time.Hour).Err())
		must(t, attacker.Set(t.Context(), answers[1], first, time.Hour).Err())
	}
}
