package webhook

import (
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestEveryEndIsCountedApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		result string
		talk   func(net.Conn)
	}{
		{"allowed", serves(func(*http.Request) int { return 200 })},
		{"denied", serves(func(*http.Request) int { return 403 })},
		{"error", serves(func(*http.Request) int { return 500 })},
		{"timeout", hold("")},
		{"unreachable", func(net.Conn) {}},
	}
	for _, tt := range tests {
		t.Run(tt.result, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := overPipe(t, tt.talk, func(c *Config) { c.CacheTTL = time.Minute })
				ask(t, c, "{}")
				for result, name := range resultNames {
					want := 0.0
					if name == tt.result {
						want = 1
					}
					if got := testutil.ToFloat64(c.metrics.results[result]); got != want {
						t.Errorf("%s: got %v, want %v", name, got, want)
					}
				}
				again := ask(t, c, "{}")
				want := 0.0
				if again.Cached {
					want = 1
				}
				if got := testutil.ToFloat64(c.metrics.cached); got != want || again.Cached != (tt.result == "allowed" || tt.result == "denied") {
					t.Errorf("cached: got %v and %v, want one if the answer may stand", got, again.Cached)
				}
			})
		})
	}
}
