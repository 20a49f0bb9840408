package registry_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
	lockredis "github.com/sreg-project/sreg/internal/lock/redis"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/redisclient"
	"github.com/sreg-project/sreg/internal/redisclient/redistest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// unaware is a Locker whose holders do not hear that their lock was lost: work that stalls, and then goes on.
type unaware struct {
	lock.Locker
	held chan context.Context
}

func (d unaware) Lock(ctx context.Context, key string) (context.Context, func(), error) {
	held, unlock, err := d.Locker.Lock(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	d.held <- held
	return ctx, unlock, nil
}

func redisLocks(t *testing.T, url string) lock.Locker {
	t.Helper()
	cfg := redisclient.DefaultConfig()
	cfg.URL = url
	client, err := redisclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	locks := lockredis.New(client, lock.Config{Lease: time.Second}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := errors.Join(locks.Close(), client.Close()); err != nil {
			t.Error(err)
		}
	})
	return locks
}

// TestAHolderThatStallsPastItsLease is S7 with real leases: an instance writes to a session, Redis is paused
// until the lease is over, another instance gets the lock and writes, and the first one goes on. What is
// acknowledged is there, in order, and nothing is mixed.
func TestAHolderThatStallsPastItsLease(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	stores := newSharedStore(t, inMemory(t))
	stalling := unaware{Locker: redisLocks(t, server.URL()), held: make(chan context.Context, 1)}
	stores.locks = stalling
	a := stores.world()
	stores.locks = redisLocks(t, server.URL())
	b := stores.world()

	upload, err := a.reg.StartUpload(a.ctx, app, oci.SHA256, "somebody")
	a.must(err)
	body, sender := io.Pipe()
	done := make(chan error, 1)
	go func() { // ends with the body
		_, err := a.reg.AppendUpload(a.ctx, app, upload.ID, registry.Chunk{Body: body, Start: 0})
		done <- err
	}()
	if _, err := sender.Write([]byte("first ")); err != nil {
		t.Fatal(err)
	}
	held := <-stalling.held
	server.Pause()
	<-held.Done() // the lease is over, and the work does not hear of it
	if cause := context.Cause(held); !errors.Is(cause, lock.ErrLost) {
		t.Errorf("got cause %v, want %v", cause, lock.ErrLost)
	}
	server.Restart()
	// The lock is free. The store keeps the second writer out, or takes it in behind what is there.
	_, err = b.reg.AppendUpload(b.ctx, app, upload.ID, registry.Chunk{Body: strings.NewReader("other "), Start: -1})
	if !errors.Is(err, registry.ErrUploadBusy) && !errors.Is(err, registry.ErrLocksUnavailable) {
		t.Errorf("got error %v of a second writer, want %v", err, registry.ErrUploadBusy)
	}
	if _, err := sender.Write([]byte("second ")); err != nil {
		t.Fatal(err)
	}
	sender.Close()
	a.must(<-done)

	const content = "first second third"
	var status registry.Upload
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // as a client that is told to come again
		status, err = b.reg.AppendUpload(b.ctx, app, upload.ID, registry.Chunk{Body: strings.NewReader("third"), Start: int64(len("first second "))})
		if !errors.Is(err, registry.ErrLocksUnavailable) || time.Now().After(end) {
			break
		}
	}
	b.must(err)
	if status.Size != int64(len(content)) {
		t.Errorf("got size %d, want %d", status.Size, len(content))
	}
	digest := ocitest.DigestOf(content)
	b.must(b.reg.CompleteUpload(b.ctx, app, upload.ID, registry.Chunk{Start: -1}, digest))
	if dangling := registrytest.Check(t, b.subject(), registrytest.BlobIs(app, content)); len(dangling) > 0 {
		t.Errorf("S2: what is gone is named by %q", dangling)
	}
}
