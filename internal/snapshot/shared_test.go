package snapshot_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/redisclient/redistest"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
	"github.com/sreg-project/sreg/internal/webhook"
)

// TestSnapshotsShareTheirMetrics: a second snapshot beside the first counts on where that one counts.
func TestSnapshotsShareTheirMetrics(t *testing.T) {
	t.Parallel()
	shared, cfg := shared(), newConfig(t.TempDir())
	defer shared.Close()
	first, err := snapshot.Build(t.Context(), cfg, shared)
	must(t, err)
	second, err := snapshot.Build(t.Context(), cfg, shared)
	must(t, err)
	for _, s := range []*snapshot.Snapshot{first, second} {
		do(s.Handlers["main"], http.MethodGet, "/v2/", "")
	}
	must(t, first.Close())
	third, err := snapshot.Build(t.Context(), cfg, shared)
	must(t, err)
	do(third.Handlers["main"], http.MethodGet, "/v2/", "")
	body := do(second.Handlers["main"], http.MethodGet, "/metrics", "").Body.String()
	if line := `sreg_http_requests_total{action="get-api-version",method="GET",status="200"} 3`; !strings.Contains(body, line) {
		t.Errorf("want %s in:\n%s", line, body)
	}
	must(t, second.Close())
	must(t, third.Close())
}

// TestAnExpressionIsCompiledOnce: what loading the config has compiled, and what the snapshot before has, is not
// compiled again.
func TestAnExpressionIsCompiledOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	compiler := policy.NewCompiler()
	shared := snapshot.NewShared(snapshot.SharedOptions{Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Compiler: compiler})
	defer shared.Close()
	compiled := func(want int, rules string) {
		t.Helper()
		before := compiler.Compiled()
		base := fmt.Sprintf("storage: {blobs: {fs: {root: %q}}}\n", folder)
		cfg, sources, err := config.Load(config.Options{Files: []string{write(t, t.TempDir(), "sreg.yaml", base+rules)}, Compiler: compiler})
		must(t, err)
		cfg.Warnings(sources, compiler, time.Now())
		s, err := snapshot.Build(t.Context(), cfg, shared)
		must(t, err)
		must(t, s.Close())
		if got := compiler.Compiled() - before; got != want {
			t.Errorf("%d expressions compiled, want %d, of\n%s", got, want, rules)
		}
	}
	const text = `
policy: {rules: ["identity.username == 'a'"]}
retention: {rules: ["top_pushed(5)"]}
repositories:
  - {name: hub, policy: {rules: ["identity.username == 'a'", "'%s' in identity.groups"]}, retention: {rules: ["image.tag == 'x'"]}}
`
	compiled(4, fmt.Sprintf(text, "dev"))
	compiled(1, fmt.Sprintf(text, "ops"))
}

// TestSnapshotsServeByTurns: of one bucket, with an upload that both take part in, and after the first is closed.
func TestSnapshotsServeByTurns(t *testing.T) {
	t.Parallel()
	shared, cfg := shared(), newConfig("")
	defer shared.Close()
	cfg.Storage.Blobs.Type, cfg.Storage.Blobs.S3 = "s3", s3test.Config(t)
	first, err := snapshot.Build(t.Context(), cfg, shared)
	must(t, err)
	must(t, first.Create(t.Context()))
	other := *cfg
	other.Storage.Blobs.S3.MaxAttempts++ // another client of the same bucket
	second, err := snapshot.Build(t.Context(), &other, shared)
	must(t, err)
	must(t, second.Create(t.Context()))
	a, b := first.Handlers["main"], second.Handlers["main"]

	at := do(a, http.MethodPost, "/v2/app/blobs/uploads/", "").Header().Get("Location")
	for i, h := range []http.Handler{a, b, a} {
		if w := do(h, http.MethodPatch, at, fmt.Sprint(i)); w.Code != http.StatusAccepted {
			t.Fatalf("part %d: status %d: %s", i, w.Code, w.Body)
		}
	}
	must(t, first.Close())
	if w := do(b, http.MethodPut, at+"?digest="+digestOf("012"), ""); w.Code != http.StatusCreated {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	third, err := snapshot.Build(t.Context(), cfg, shared)
	must(t, err)
	for _, h := range []http.Handler{b, third.Handlers["main"]} {
		if w := do(h, http.MethodGet, "/v2/app/blobs/"+digestOf("012"), ""); w.Code != http.StatusOK && w.Code != http.StatusTemporaryRedirect {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	}
	must(t, second.Close())
	must(t, third.Close())
}

// TestWritesOfOneSnapshotAreSeenByAnother: also within metadata_cache_ttl, and by another client of the bucket.
func TestWritesOfOneSnapshotAreSeenByAnother(t *testing.T) {
	t.Parallel()
	shared, cfg := shared(), newConfig("")
	defer shared.Close()
	cfg.Storage.Blobs.Type, cfg.Storage.Blobs.S3 = "s3", s3test.Config(t)
	cfg.Storage.MetadataCacheTTL = time.Hour
	other := *cfg
	other.Storage.Blobs.S3.MaxAttempts++
	var clients []httpapitest.Client
	for _, one := range []*config.Config{cfg, &other} {
		s, err := snapshot.Build(t.Context(), one, shared)
		must(t, err)
		defer func() { must(t, s.Close()) }()
		must(t, s.Create(t.Context()))
		clients = append(clients, httpapitest.InProcess(s.Handlers["main"]))
	}
	for i := range 6 {
		image := ocitest.Image(fmt.Sprint(i))
		writer, reader := clients[i/3], clients[1-i/3]
		must(t, writer.Push(t.Context(), "app", image, "x"))
		if got, err := reader.Send(t.Context(), http.MethodGet, "/v2/app/manifests/x", "", ""); err != nil || got.Body != image.Text {
			t.Errorf("round %d: got %s, %v, want what the other snapshot has written", i, got.Body, err)
		}
	}
}

// TestNothingIsLeftWhenAllSnapshotsAreClosed: no goroutine, no file, no connection.
func TestNothingIsLeftWhenAllSnapshotsAreClosed(t *testing.T) { // not parallel: it counts
	redis := redistest.Start(t, redistest.Options{})
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(endpoint.Close)
	cfg := newConfig(t.TempDir())
	cfg.Locks.Type, cfg.Cache.Type, cfg.Redis.URL = "redis", "redis", redis.URL()
	hook := webhook.DefaultConfig()
	hook.Name, hook.URL = "guard", endpoint.URL
	cfg.Webhooks = append(cfg.Webhooks, hook)
	cfg.Policy = &policy.GlobalConfig{Config: policy.Config{Default: "allow", Webhook: "guard"}}
	bucket := *cfg
	bucket.Storage.Blobs.Type, bucket.Storage.Blobs.S3 = "s3", s3test.Config(t)

	use := func(s *snapshot.Snapshot) {
		t.Helper()
		must(t, s.Create(t.Context()))
		must(t, s.Prepare(t.Context()))
		for _, content := range []string{"one", "two"} {
			must(t, httpapitest.InProcess(s.Handlers["main"]).PushBlob(t.Context(), "app", content))
		}
	}
	round := func() {
		t.Helper()
		shared := shared()
		var all []*snapshot.Snapshot
		for _, one := range []*config.Config{cfg, cfg, &bucket, &bucket, cfg} {
			s, err := snapshot.Build(t.Context(), one, shared)
			must(t, err)
			use(s)
			all = append(all, s)
		}
		for _, s := range all {
			must(t, s.Close())
		}
		shared.Close()
		endpoint.CloseClientConnections()
	}
	round() // what is made once in a process
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	round()
	waitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	waitFor(t, "files and connections to be closed", func() bool { return openFiles(t) <= files })
}

// openFiles counts the files and connections of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}

// waitFor looks until something is so: the end of a connection has no event.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}
