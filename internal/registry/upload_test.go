package registry_test

import (
	"errors"
	"testing"

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
