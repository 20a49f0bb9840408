package snapshot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// closedPolicy lets everybody in who has signed in.
const closedPolicy = "policy: {rules: ['identity.username != null']}\n"

// TestAnotherConfigSignsNobodyOut: tokens and keys of providers are remembered, and so are wrong passwords.
func TestAnotherConfigSignsNobodyOut(t *testing.T) {
	t.Parallel()
	idp := newIssuer(t)
	auth := strings.Replace(idp.config(), "auth: {", "auth: {throttle: {failures: 3, window: 1h}, ", 1)
	a, b := user(t, "a"), user(t, "b")
	w := newWorld(t, setup{config: auth + closedPolicy, users: a + b})
	token, oidc := w.token(signIn("a")), "Bearer "+idp.token(t, nil)
	w.get("/v2/", oidc).is(t, http.StatusOK)
	for range 2 {
		w.get("/v2/", basic("b", "wrong")).is(t, http.StatusUnauthorized)
	}
	idp.down.Store(true)

	w.replace(setup{config: auth + "policy: {rules: [\"identity.username == 'a'\"]}\ncache: {size: 1MiB}\n", users: a + b})
	for _, credential := range []string{signIn("a"), token, oidc, "Bearer " + idp.token(t, map[string]any{"sub": "another"})} {
		w.get("/v2/a/tags/list", credential).is(t, http.StatusNotFound)
	}
	w.get("/v2/a/tags/list", signIn("b")).is(t, http.StatusForbidden)
	for range 2 {
		w.get("/v2/", basic("b", "wrong")).is(t, http.StatusUnauthorized)
	}

	w.replace(setup{config: auth + closedPolicy, users: b})
	w.get("/v2/", token).is(t, http.StatusUnauthorized) // there is no a any more
	w.get("/v2/", basic("b", "wrong")).is(t, http.StatusUnauthorized)
	w.get("/v2/", basic("b", "wrong")).is(t, http.StatusTooManyRequests)
}

// TestARequestEndsOnTheConfigThatItBeganWith: its snapshot is closed behind it, and not before.
func TestARequestEndsOnTheConfigThatItBeganWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{config: "policy: {default: allow}\n"})
	digest := digestOf("slow content")
	body, content := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/v2/a/blobs/uploads/?digest="+digest, body)
	must(t, err)
	status := make(chan int, 1)
	go func() { // ends with the request
		response, err := w.client.Do(r)
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		response.Body.Close()
		status <- response.StatusCode
	}()
	_, err = content.Write([]byte("slow "))
	must(t, err)
	// What is written has left the client's hands, and may not have reached the server.
	for !strings.Contains(w.get("/metrics", "").body, "\nsreg_http_requests_in_flight 2\n") {
	}

	// An upload of which some has arrived goes on, too.
	begun := w.do(call{method: "POST", path: "/v2/a/blobs/uploads/"}).is(t, http.StatusAccepted)
	at := begun.header.Get("Location")
	w.do(call{method: "PATCH", path: at, body: "in two "}).is(t, http.StatusAccepted)

	w.replace(setup{config: "policy: {default: deny}\n"})
	w.get("/v2/a/tags/list", "").is(t, http.StatusForbidden)
	_, err = content.Write([]byte("content"))
	must(t, err)
	must(t, content.Close())
	if got := <-status; got != http.StatusCreated {
		t.Errorf("the request that was under way: status %d, want 201", got)
	}
	w.replace(setup{config: "policy: {default: allow}\nstorage: {blobs: {fs: {sync: true}}}\n"})
	w.do(call{method: "PUT", path: at + "?digest=" + digestOf("in two parts"), body: "parts"}).is(t, http.StatusCreated)
	for _, content := range []string{"slow content", "in two parts"} {
		if got := w.get("/v2/a/blobs/"+digestOf(content), "").is(t, http.StatusOK); got.body != content {
			t.Errorf("got %q, want %q", got.body, content)
		}
	}
	// The counts go on.
	if body := w.get("/metrics", "").body; !strings.Contains(body, `sreg_http_requests_total{action="complete-upload",method="PUT",status="201"} 1`) ||
		!strings.Contains(body, `sreg_http_requests_total{action="list-tags",method="GET",status="403"} 1`) {
		t.Errorf("want the requests to both snapshots counted, got %s", body)
	}
}

// TestAConfigThatCannotBeServedChangesNothing.
func TestAConfigThatCannotBeServedChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{config: "policy: {default: allow}\n"})
	claims := snapshot.NewClaims(snapshot.ClaimOptions{Note: "process 7", Logger: slog.New(slog.DiscardHandler)})
	must(t, claims.Take(t.Context(), w.snapshot.Core))
	defer claims.Release()
	for name, change := range map[string]func(*config.Config){
		"a file that is not there":     func(c *config.Config) { c.Auth.UsersFile = filepath.Join(w.root, "nobody") },
		"a rule that does not compile": func(c *config.Config) { c.Policy.Rules[0].Expr = "nonsense" },
		"a folder that cannot be made": func(c *config.Config) { c.Storage.Blobs.FS.Root = filepath.Join(w.root, "_format", "x") },
	} {
		cfg := w.load(setup{root: w.root, config: closedPolicy})
		change(cfg)
		if err := w.live.Replace(t.Context(), cfg); err == nil {
			t.Errorf("%s: served", name)
		}
		w.get("/v2/a/tags/list", "").is(t, http.StatusNotFound)
		w.pushBlob("", "a", name)
	}
}

// TestTheClaimStaysWhileTheConfigChanges: nobody else gets it, and it is taken again only if the store has other
// settings.
func TestTheClaimStaysWhileTheConfigChanges(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t.TempDir())
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	shared := snapshot.NewShared(snapshot.SharedOptions{Logger: logger, Metrics: prometheus.NewRegistry()})
	defer shared.Close()
	live, err := snapshot.Open(t.Context(), cfg, shared, snapshot.NewClaims(snapshot.ClaimOptions{Note: "process 7", Logger: logger}))
	must(t, err)
	srv := &noServer{}
	must(t, live.Serve(srv))
	taken := func() time.Time {
		t.Helper()
		if _, err := serving(t, *cfg, "memory", nil); err == nil || !strings.Contains(err.Error(), "process 7") {
			t.Errorf("another server gets %v, want who serves", err)
		}
		info, err := os.Stat(filepath.Join(cfg.Storage.Blobs.FS.Root, "_locks", "serve"))
		must(t, err)
		return info.ModTime()
	}
	first := taken()
	other := *cfg
	other.Registry.MaxManifestSize++
	must(t, live.Replace(t.Context(), &other))
	if now := taken(); !now.Equal(first) {
		t.Errorf("the claim was taken anew for the same store")
	}
	another := other
	another.Storage.Blobs.FS.Sync = true
	must(t, live.Replace(t.Context(), &another))
	taken()
	elsewhere := another
	elsewhere.Storage.Blobs.FS.Root = t.TempDir()
	srv.err = errors.New("no certificate")
	if err := live.Replace(t.Context(), &elsewhere); !errors.Is(err, srv.err) {
		t.Errorf("got %v, want why it is not served", err)
	}
	srv.err = nil
	taken()
	readOnly := another
	readOnly.Registry.ReadOnly = true
	must(t, live.Replace(t.Context(), &readOnly))
	release, err := serving(t, *cfg, "memory", nil)
	must(t, err) // what is only read is not claimed
	var claimed *snapshot.ClaimedError
	if err := live.Replace(t.Context(), &another); !errors.As(err, &claimed) {
		t.Errorf("got %v, want who serves", err)
	}
	release()
	must(t, live.Replace(t.Context(), &another))
	live.Drain()
	if release, err = serving(t, *cfg, "memory", nil); err != nil {
		t.Errorf("while it drains: %v", err)
	} else {
		release()
	}
	if err := live.Replace(t.Context(), cfg); !errors.Is(err, snapshot.ErrDraining) {
		t.Errorf("while it drains: got %v, want ErrDraining", err)
	}
	must(t, live.Close())
	if log.Len() > 0 {
		t.Errorf("it is logged: %s", log.String())
	}
}

// noServer is a server without requests. It takes nothing while err is not nil.
type noServer struct{ err error }

// Swap is that of a server.Server.
func (s *noServer) Swap(server.Live) (<-chan struct{}, error) {
	ended := make(chan struct{})
	close(ended)
	return ended, s.err
}

// TestARunOfTheCollectorEndsOnTheConfigThatItBeganWith: another config comes while it is under way, and later ones
// follow its schedule.
func TestARunOfTheCollectorEndsOnTheConfigThatItBeganWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		shared := snapshot.NewShared(snapshot.SharedOptions{
			Logger: slog.New(slog.NewJSONHandler(&log, nil)), Metrics: prometheus.NewRegistry(), Memory: memory.New(memory.Options{}),
		})
		cfg := newConfig("")
		cfg.GC.Schedule, cfg.GC.Jitter, cfg.GC.Rate = "@every 1h", 0, 1
		live, err := snapshot.Open(t.Context(), cfg, shared, nil)
		must(t, err)
		client := httpapitest.InProcess(live.Snapshot().Handlers["main"])
		for i := range 20 { // each costs the collector some seconds
			must(t, client.PushBlob(t.Context(), "a", fmt.Sprint(i)))
		}
		must(t, live.Serve(&noServer{}))
		time.Sleep(time.Hour + 5*time.Second)
		synctest.Wait()
		if strings.Contains(log.String(), `"collected"`) {
			t.Fatalf("the run has ended already: %s", log.String())
		}
		for range 3 {
			must(t, live.Replace(t.Context(), cfg))
		}
		time.Sleep(10 * time.Minute)
		if n := strings.Count(log.String(), `"msg":"collected","module":"gc","outcome":"done"`); n != 1 {
			t.Errorf("%d runs were done, want the one that was under way: %s", n, log.String())
		}
		other := *cfg
		other.GC.Schedule = "@every 3h"
		must(t, live.Replace(t.Context(), &other))
		time.Sleep(170 * time.Minute)
		if n := strings.Count(log.String(), `"collected"`); n != 1 {
			t.Errorf("%d runs, want none by the schedule before", n)
		}
		time.Sleep(20 * time.Minute)
		if n := strings.Count(log.String(), `"outcome":"done"`); n != 2 {
			t.Errorf("%d runs, want one by the schedule that is current", n)
		}
		must(t, live.Close())
		shared.Close()
	})
}
