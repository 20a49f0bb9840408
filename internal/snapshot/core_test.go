package snapshot_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/snapshot"
)

func withMetadata(blobs, metadata string) *config.Config {
	cfg := newConfig(blobs)
	store := cfg.Storage.Blobs
	store.FS.Root = metadata
	cfg.Storage.Metadata = &store
	return cfg
}

func TestTwoStores(t *testing.T) {
	t.Parallel()
	blobs, metadata := t.TempDir(), t.TempDir()
	s := start(t, withMetadata(blobs, metadata))
	if got := s.Roots(); !slices.Equal(got, []string{blobs, metadata}) {
		t.Errorf("roots are %q", got)
	}
	client, image := httpapitest.InProcess(s.Handlers["main"]), ocitest.Image("one")
	must(t, client.Push(t.Context(), "app", image, "v1"))
	must(t, client.Pull(t.Context(), "app", "v1", image))
	d := image.Config.Digest
	if _, err := os.Stat(filepath.Join(blobs, "_blobs/sha256", d.Hex()[:2], d.Hex())); err != nil {
		t.Errorf("the bytes are not in the blob store: %v", err)
	}
	if _, err := os.Stat(filepath.Join(metadata, "app/_layers/sha256", d.Hex())); err != nil {
		t.Errorf("the link is not in the metadata store: %v", err)
	}
}

// TestABlobStoreHasOneMetadataStore: with another one every blob would look unreferenced.
func TestABlobStoreHasOneMetadataStore(t *testing.T) {
	t.Parallel()
	blobs, metadata, stranger := t.TempDir(), t.TempDir(), t.TempDir()
	start(t, withMetadata(blobs, metadata))
	start(t, newConfig(stranger))
	for name, cfg := range map[string]*config.Config{
		"another store":    withMetadata(blobs, stranger),
		"an empty folder":  withMetadata(blobs, t.TempDir()),
		"none but its own": newConfig(blobs),
		"a folder to come": withMetadata(blobs, filepath.Join(t.TempDir(), "typo")),
		"the other way":    withMetadata(metadata, blobs),
	} {
		if _, err := snapshot.Build(t.Context(), cfg, shared()); err == nil {
			t.Errorf("%s was taken for the metadata store", name)
		}
	}
	build(t, withMetadata(blobs, metadata))
}

func TestAReadOnlySnapshotCreatesNothing(t *testing.T) {
	t.Parallel()
	cfg := newConfig(filepath.Join(t.TempDir(), "data"))
	cfg.Registry.ReadOnly = true
	s := start(t, cfg)
	if w := do(s.Handlers["main"], "GET", "/readyz", ""); w.Code != http.StatusOK {
		t.Errorf("readyz: status %d", w.Code)
	}
	if w := do(s.Handlers["main"], "GET", "/v2/_catalog", ""); w.Code != http.StatusOK || w.Body.String() != `{"repositories":[]}` {
		t.Errorf("catalog: status %d, %s", w.Code, w.Body)
	}
	if _, err := os.Stat(cfg.Storage.Blobs.FS.Root); !os.IsNotExist(err) {
		t.Errorf("the folder was made (%v)", err)
	}
}
