package snapshot_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/snapshot"
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
		cfg.Warnings(sources, compiler)
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
