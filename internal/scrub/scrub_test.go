package scrub_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/storage"
)

func TestAQuickRunHashesNoBlob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	w.flip(blobKey(digest("layer one")))
	w.remove(linkKey(app, digest("layer two")))
	w.wantCodes(w.verify(scrub.Options{Quick: true}), scrub.CodeNoLink)
}

func TestARunOverOneRepositoryLooksAtItAndAtItsBlobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	w.flip(blobKey(digest("layer three"))) // other's
	w.flip(blobKey(digest("layer one")))
	team := app
	report := w.verify(scrub.Options{Repository: team})
	w.wantCodes(report, scrub.CodeCorruptBlob)
	if got := filepath.Base(report.Findings[0].Key); got != digest("layer one").Hex() {
		t.Errorf("got %s, want the layer of %s", got, team)
	}
}

func TestAReadOnlyRegistryIsVerifiedWithoutAWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	config := registry.DefaultConfig()
	config.ReadOnly = true
	before := w.contents()
	beside := openWorld(t, w.at, func(s storage.Store) storage.Store { return s }, config)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scrub.Run(ctx, beside.reg.Maintenance(), scrub.Options{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want it interrupted", err)
	}
	w.wantCodes(beside.verify(scrub.Options{}))
	if after := w.contents(); len(after) != len(before) {
		t.Errorf("got %d contents, want %d", len(after), len(before))
	}
}
