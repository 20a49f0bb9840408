package registry_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/redisclient/redistest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
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
	reg := newWorld(t, inMemory(t), func(o *registry.Options) { o.Locks = losing{o.Locks} }).reg
	upload, err := reg.StartUpload(t.Context(), app, oci.SHA256, "somebody")
	if err != nil {
		t.Fatal(err)
	}
	_, appended := reg.AppendUpload(t.Context(), app, upload.ID, chunkOf("half"))
	completed := reg.CompleteUpload(t.Context(), app, upload.ID, chunkOf("half"), ocitest.DigestOf("half"))
	for what, err := range map[string]error{"append": appended, "complete": completed} {
		if !errors.Is(err, registry.ErrLocksUnavailable) {
			t.Errorf("%s: got %v, want %v", what, err, registry.ErrLocksUnavailable)
		}
	}
}

// TestOneSessionOfTwoClients: each chunk is taken once, whole, and the blob is what was acknowledged.
func TestOneSessionOfTwoClients(t *testing.T) {
	t.Parallel()
	folder := inFolder(t)
	clients := []*world{newWorld(t, folder), newWorld(t, folder)}
	upload, err := clients[0].reg.StartUpload(t.Context(), app, oci.SHA256, "")
	clients[0].must(err)
	const chunks, size = 30, 1000
	whole := &strings.Builder{}
	for i := range chunks {
		piece := strings.Repeat(string(rune('a'+i%26)), size)
		var taken atomic.Int64
		atOnce(2, func(c int) {
			_, err := clients[c].reg.AppendUpload(t.Context(), app, upload.ID, registry.Chunk{Body: strings.NewReader(piece), Start: int64(i * size)})
			var out *registry.RangeError
			switch {
			case err == nil:
				taken.Add(1)
			case errors.As(err, &out):
				if out.Size != int64((i+1)*size) {
					t.Errorf("chunk %d: told to go on at %d", i, out.Size)
				}
			default:
				t.Errorf("chunk %d: %v", i, err)
			}
		})
		if taken.Load() != 1 {
			t.Fatalf("chunk %d was taken %d times", i, taken.Load())
		}
		whole.WriteString(piece)
	}
	var completed atomic.Int64
	d := oci.DigestOf(oci.SHA256, []byte(whole.String()))
	atOnce(2, func(c int) {
		err := clients[c].reg.CompleteUpload(t.Context(), app, upload.ID, registry.Chunk{Start: -1}, d)
		if err == nil {
			completed.Add(1)
		} else if !errors.Is(err, registry.ErrUploadUnknown) {
			t.Errorf("complete: %v", err)
		}
	})
	if completed.Load() != 1 {
		t.Errorf("the session was completed %d times", completed.Load())
	}
	clients[1].check(registrytest.BlobIs(app, whole.String()))
}

// TestALostLockIsAnErrorToComeAgainWith: the client did not go away, so it is not told that.
func TestALostLockIsAnErrorToComeAgainWith(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	stores := newSharedStore(t, inMemory(t))
	stores.locks = redisLocks(t, server.URL())
	w := stores.world()
	upload, err := w.reg.StartUpload(w.ctx, app, oci.SHA256, "somebody")
	w.must(err)
	body, sender := io.Pipe()
	done := make(chan error, 1)
	go func() { // ends with the body
		_, err := w.reg.AppendUpload(w.ctx, app, upload.ID, registry.Chunk{Body: body, Start: 0})
		done <- err
	}()
	if _, err := sender.Write([]byte("first ")); err != nil {
		t.Fatal(err)
	}
	server.Restart() // and it knows of no lock any more
	go func() {      // ends when nobody reads the body any more
		for {
			if _, err := sender.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond) // a client that sends slowly
		}
	}()
	select {
	case err = <-done:
	case <-time.After(20 * time.Second):
		t.Error("the work goes on 20 s after its lock was lost")
	}
	body.Close()
	if !errors.Is(err, registry.ErrLocksUnavailable) || !errors.Is(err, lock.ErrLost) {
		t.Errorf("got error %v, want %v", err, registry.ErrLocksUnavailable)
	}
}

// TestAnUploadHasTheDigestOfAnyAlgorithm: also of another one than that of its session.
func TestAnUploadHasTheDigestOfAnyAlgorithm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	for _, session := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		for _, named := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
			upload, err := w.reg.StartUpload(w.ctx, app, session, "bob")
			w.must(err)
			_, err = w.reg.AppendUpload(w.ctx, app, upload.ID, chunkOf("half and "))
			w.must(err)
			if status, err := w.reg.UploadStatus(w.ctx, app, upload.ID); status.Size != 9 || err != nil {
				t.Errorf("%s: the session has %d bytes, %v, want 9", session, status.Size, err)
			}
			d := oci.DigestOf(named, []byte("half and half"))
			w.must(w.reg.CompleteUpload(w.ctx, app, upload.ID, chunkOf("half"), d), w.pullBlob(app, d))
		}
	}
	upload, err := w.reg.StartUpload(w.ctx, app, oci.SHA256, "bob")
	w.must(err)
	err = w.reg.CompleteUpload(w.ctx, app, upload.ID, chunkOf("x"), oci.DigestOf(oci.SHA512, []byte("y")))
	if _, gone := w.reg.UploadStatus(w.ctx, app, upload.ID); !errors.Is(err, registry.ErrDigestMismatch) || !errors.Is(gone, registry.ErrUploadUnknown) {
		t.Errorf("other bytes: got %v, and then %v, want %v and %v", err, gone, registry.ErrDigestMismatch, registry.ErrUploadUnknown)
	}
}
