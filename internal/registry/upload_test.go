package registry_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestTheLabelOfAnUploadIsReadOnceForAChunk(t *testing.T) {
	t.Parallel()
	w, store := newCounting(t)
	upload, err := w.reg.StartUpload(w.ctx, app, oci.SHA256, "somebody")
	w.must(err)
	store.take()
	_, err = w.reg.AppendUpload(w.ctx, app, upload.ID, chunkOf("half"))
	w.must(err)
	if reads := store.take()[upload.ID]; reads != 1 {
		t.Errorf("the session was read %d times, want once", reads)
	}
	if _, err := w.reg.AppendUpload(w.ctx, other, upload.ID, chunkOf("x")); !errors.Is(err, registry.ErrUploadUnknown) {
		t.Errorf("a chunk by another namespace: got %v, want %v", err, registry.ErrUploadUnknown)
	}
	if reads := store.take()[upload.ID]; reads != 0 {
		t.Errorf("for another namespace the session was read %d times, want never", reads)
	}
}

// losing is a Locker whose locks are lost as soon as they are held.
type losing struct{ lock.Locker }

func (l losing) Lock(ctx context.Context, key string) (context.Context, func(), error) {
	held, unlock, err := l.Locker.Lock(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	held, lose := context.WithCancelCause(held)
	lose(lock.ErrLost)
	return held, unlock, nil
}

// TestALockThatIsLostAtOnceIsNoFailureOfOurs: the client may send its request again.
func TestALockThatIsLostAtOnceIsNoFailureOfOurs(t *testing.T) {
	t.Parallel()
	store := inMemory(t)(t)
	reg, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: losing{memory.New()}, Config: registry.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	upload, err := reg.StartUpload(t.Context(), app, oci.SHA256, "somebody")
	if err != nil {
		t.Fatal(err)
	}
	_, appended := reg.AppendUpload(t.Context(), app, upload.ID, chunkOf("half"))
	completed := reg.CompleteUpload(t.Context(), app, upload.ID, chunkOf("half"), oci.DigestOf(oci.SHA256, []byte("half")))
	for what, err := range map[string]error{"append": appended, "complete": completed} {
		if !errors.Is(err, registry.ErrLocksUnavailable) {
			t.Errorf("%s: got %v, want %v", what, err, registry.ErrLocksUnavailable)
		}
	}
}
