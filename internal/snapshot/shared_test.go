package snapshot_test

import (
	"net/http"
	"strings"
	"testing"

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
