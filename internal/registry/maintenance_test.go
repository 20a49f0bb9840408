package registry_test

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/registry"
)

// TestACollectorMayWriteWhileAllServersAreReadOnly: and the registry that it came from still may not.
func TestACollectorMayWriteWhileAllServersAreReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.must(w.pushImage(app, "one", tagV1))
	served := openWorld(t, w.store, readOnly)
	m := served.reg.Maintenance()
	tag, err := m.Tag(w.ctx, app, tagV1)
	w.must(err)
	if err := m.RemoveTag(w.ctx, app, tag, "gc", ""); !errors.Is(err, registry.ErrReadOnly) || !m.ReadOnly() {
		t.Errorf("got %v, want %v", err, registry.ErrReadOnly)
	}
	w.must(m.WhileReadOnly().RemoveTag(w.ctx, app, tag, "gc", ""))
	if err := served.pushImage(app, "two"); !errors.Is(err, registry.ErrReadOnly) || !m.ReadOnly() || m.WhileReadOnly().ReadOnly() {
		t.Errorf("got %v, want that clients still may not write", err)
	}
}
