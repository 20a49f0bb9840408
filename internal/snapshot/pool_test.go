package snapshot

import (
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/secret"
)

// TestWhatIsMadeOfTheSameSettingsIsShared: what other settings make is another one, also when only the content of
// a file that they name has changed.
func TestWhatIsMadeOfTheSameSettingsIsShared(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	server := httptest.NewTLSServer(nil)
	server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	writeCA := func(more string) {
		if err := os.WriteFile(ca, append(certificate, more...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writeCA("")
	base := config.Default()
	base.Storage.Blobs.Type, base.Storage.Blobs.S3.Bucket, base.Storage.Blobs.S3.Endpoint = "s3", "b", "https://127.0.0.1:1"
	base.Storage.Blobs.S3.AccessKeyID, base.Storage.Blobs.S3.SecretAccessKey = "id", secret.New("one")
	base.Storage.Blobs.S3.CAFile = ca
	base.Locks.Type, base.Cache.Type, base.Redis.URL, base.Redis.CAFile = "redis", "redis", "rediss://127.0.0.1:1", ca
	shared := NewShared(SharedOptions{Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	var all []*Core
	open := func(change func(*config.Config)) {
		t.Helper()
		cfg := base
		change(&cfg)
		core := &Core{config: &cfg, shared: shared}
		all = append(all, core)
		err := core.openStores(t.Context())
		if err == nil {
			core.state, err = core.borrowState(core.stores[0], core.stores[0])
		}
		if err == nil {
			_, err = core.borrowLocks(core.state)
		}
		if err == nil {
			_, err = core.borrowCaches()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, stores, states, redis, locks, caches, own int) {
		t.Helper()
		for name, n := range map[string][2]int{
			"stores": {len(shared.stores.values), stores}, "states": {len(shared.states.values), states},
			"clients of Redis": {len(shared.redis.values), redis}, "locks": {len(shared.redisLocks.values), locks},
			"caches in Redis": {len(shared.redisCaches.values), caches}, "caches": {len(shared.ownCaches.values), own},
		} {
			if n[0] != n[1] {
				t.Errorf("%s: %d %s, want %d", what, n[0], name, n[1])
			}
		}
	}
	open(func(*config.Config) {})
	want("one config", 1, 1, 1, 1, 1, 1)
	open(func(c *config.Config) { c.Registry.MaxManifestSize++ })
	want("what these parts do not look at", 1, 1, 1, 1, 1, 1)
	open(func(c *config.Config) { c.Storage.Blobs.S3.SecretAccessKey = secret.New("two") })
	want("another secret of the store", 2, 1, 1, 1, 1, 1)
	open(func(c *config.Config) { c.Storage.Blobs.S3.Prefix = "p/" })
	want("another place", 3, 2, 1, 1, 1, 1)
	open(func(c *config.Config) { c.Redis.Password = secret.New("x") })
	want("another password of Redis", 3, 2, 2, 2, 2, 1)
	open(func(c *config.Config) { c.Locks.Lease *= 2 })
	want("another lease", 3, 2, 2, 3, 2, 1)
	open(func(c *config.Config) { c.Cache.Size *= 2 })
	want("another size", 3, 2, 2, 3, 3, 2)
	writeCA("\n")
	open(func(*config.Config) {})
	want("other certificates in the file", 4, 2, 3, 4, 4, 2)
	for _, core := range all {
		if err := core.Close(); err != nil {
			t.Error(err)
		}
	}
	want("all are closed", 0, 0, 0, 0, 0, 0)
	shared.Close()
}
