package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/storage/memory"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestServersThatDoNotKnowEachOtherDoNotShareAStore: locks in memory are those of one process.
func TestServersThatDoNotKnowEachOtherDoNotShareAStore(t *testing.T) {
	t.Parallel()
	folder := config.Default()
	folder.Storage.Blobs.FS.Root, folder.Storage.MinFree = t.TempDir(), 0
	bucket := config.Default()
	bucket.Storage.Blobs.Type, bucket.Storage.Blobs.S3 = "s3", s3test.Config(t)
	for name, base := range map[string]config.Config{"folder": folder, "bucket": bucket} {
		for _, c := range []struct {
			name, first, second string
			refused             bool
		}{
			{"two with locks in memory", "memory", "memory", true},
			{"one in memory behind one in Redis", "redis", "memory", true},
			{"one in Redis behind one in memory", "memory", "redis", true},
			{"two in Redis", "redis", "redis", false},
		} {
			t.Run(name+": "+c.name, func(t *testing.T) {
				release, first := serving(t, base, c.first, nil)
				if first != nil {
					t.Fatal(first)
				}
				defer release()
				waited := false
				releaseSecond, second := serving(t, base, c.second, func() { waited = true })
				var by *snapshot.ClaimedError
				switch {
				case !c.refused && second != nil:
					t.Errorf("the second is refused: %v", second)
				case !c.refused:
					releaseSecond()
				case name == "bucket" && !waited:
					t.Errorf("the second gets %v, want it to wait for the lease of a server that may have died", second)
				case name == "folder" && (!errors.As(second, &by) || by.Shares() != (c.first == "redis")):
					t.Errorf("the second gets %v, want a ClaimedError that says whether the first shares", second)
				}
				release()
				if release, third := serving(t, base, c.second, nil); third != nil {
					t.Errorf("when the first has ended: %v", third)
				} else {
					release()
				}
			})
		}
	}
}

// serving claims the stores as a server does. Whoever would have to wait calls waiting and goes away, and
// without one it waits.
func serving(t *testing.T, cfg config.Config, locks string, waiting func()) (release func(), err error) {
	t.Helper()
	cfg.Locks.Type, cfg.Redis.URL = locks, "redis://127.0.0.1:1"
	core, err := snapshot.OpenCore(t.Context(), &cfg, shared())
	if err != nil {
		t.Fatal(err)
	}
	if err := core.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	claims := snapshot.NewClaims(snapshot.ClaimOptions{
		Note: "process 7", Logger: slog.New(slog.DiscardHandler),
		Waiting: func(_ *snapshot.ClaimedError, most time.Duration) {
			if most <= 0 {
				t.Error("it does not say for how long")
			}
			if waiting != nil {
				waiting()
				cancel()
			}
		},
	})
	if err := claims.Take(ctx, core); err != nil {
		cancel()
		return nil, errors.Join(err, core.Close())
	}
	return func() {
		claims.Release()
		cancel()
		core.Close()
	}, nil
}

// TestAServerThatDrainsHasItsClaim: it is told to end, and still serves what runs.
func TestAServerThatDrainsHasItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		core, err := snapshot.OpenCore(t.Context(), new(config.Default()), snapshot.NewShared(snapshot.SharedOptions{
			Logger: logger, Metrics: prometheus.NewRegistry(), Memory: memory.New(memory.Options{}),
		}))
		must(t, err)
		ctx, end := context.WithCancel(t.Context())
		claims := snapshot.NewClaims(snapshot.ClaimOptions{Note: "process 7", Logger: logger})
		must(t, claims.Take(ctx, core))
		end()
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("it is logged: %s", log.String())
		}
		claims.Release()
		must(t, core.Close())
	})
}
