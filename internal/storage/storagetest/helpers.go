package storagetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// patience bounds how long a test waits for what must happen.

// put, condemn, revive and remove report and go on, so that goroutines may call them.
func put(t *testing.T, s storage.Store, key, data string) storage.Version {
	t.Helper()
	version, err := s.Put(t.Context(), key, []byte(data), storage.PutOptions{})
	if err != nil {
		t.Errorf("put %s: %v", key, err)
	}
	return version
}

func condemn(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if err := s.Condemn(t.Context(), key); err != nil {
		t.Errorf("condemn %s: %v", key, err)
	}
}

func revive(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if _, err := s.Revive(t.Context(), key); err != nil {
		t.Errorf("revive %s: %v", key, err)
	}
}

func remove(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if err := s.Delete(t.Context(), key, storage.DeleteOptions{}); err != nil {
		t.Errorf("delete %s: %v", key, err)
	}
}

// wantContent looks by all three ways of reading.
func wantContent(t *testing.T, s storage.Store, key, want string, state storage.State) {
	t.Helper()
	value, err := s.Get(t.Context(), key)
	if err != nil || string(value.Data) != want || value.State != state {
		t.Errorf("get %s = %s in state %d, %v, want %s in state %d", key, brief(value.Data), value.State, err, brief([]byte(want)), state)
	}
	info, err := s.Stat(t.Context(), key)
	if err != nil || info.Size != int64(len(want)) || info.State != state {
		t.Errorf("stat %s = %d bytes in state %d, %v, want %d in state %d", key, info.Size, info.State, err, len(want), state)
	}
	if got := readAll(t, s, key); got != want {
		t.Errorf("open %s reads %s, want %s", key, brief([]byte(got)), brief([]byte(want)))
	}
}

func wantGone(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if value, err := s.Get(t.Context(), key); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("get %s = %s, %v, want %v", key, brief(value.Data), err, storage.ErrNotExist)
	}
	if info, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("stat %s = %+v, %v, want %v", key, info, err, storage.ErrNotExist)
	}
	r, _, err := s.Open(t.Context(), key)
	if !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("open %s: %v, want %v", key, err, storage.ErrNotExist)
	}
	if r != nil {
		t.Errorf("open %s gave a reader beside its error", key)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func readAll(t *testing.T, s storage.Store, key string) string {
	t.Helper()
	r, info, err := s.Open(t.Context(), key)
	if err != nil {
		t.Errorf("open %s: %v", key, err)
		return ""
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != info.Size {
		t.Errorf("read %s: %d bytes, %v, want %d", key, len(b), err, info.Size)
	}
	return string(b)
}

// names collects a listing.
func names(t *testing.T, s storage.Store, prefix string, opts storage.ListOptions) []string {
	t.Helper()
	var all []string
	for _, entry := range collect(t, "list "+prefix, s.List(t.Context(), prefix, opts)) {
		all = append(all, entry.Name)
	}
	return all
}

func wantNames(t *testing.T, s storage.Store, prefix string, opts storage.ListOptions, want ...string) {
	t.Helper()
	if got := names(t, s, prefix, opts); !slices.Equal(got, want) {
		t.Errorf("list %q with %+v\n got %q\nwant %q", prefix, opts, got, want)
	}
}

func collect[T any](t *testing.T, what string, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for item, err := range seq {
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return all
		}
		all = append(all, item)
	}
	return all
}

func condemnedKeys(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	var all []string
	for _, d := range collect(t, "list condemned "+prefix, s.Condemned(t.Context(), prefix)) {
		all = append(all, d.Key)
	}
	slices.Sort(all)
	return all
}

func draftKeys(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	var all []string
	for _, d := range collect(t, "list drafts "+prefix, s.Drafts(t.Context(), prefix)) {
		all = append(all, d.Key)
	}
	slices.Sort(all)
	return all
}

func sessionIDs(t *testing.T, s storage.Store) []string {
	t.Helper()
	var all []string
	for _, session := range collect(t, "list uploads", s.ListUploads(t.Context())) {
		all = append(all, session.ID)
	}
	slices.Sort(all)
	return all
}

func openUpload(t *testing.T, s storage.Store, id string) storage.Upload {
	t.Helper()
	u, err := s.OpenUpload(t.Context(), id)
	if err != nil {
		t.Fatalf("open upload %s: %v", id, err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

func newUpload(t *testing.T, s storage.Store, id, label string) storage.Upload {
	t.Helper()
	if err := s.CreateUpload(t.Context(), id, []byte(label)); err != nil {
		t.Fatalf("create upload %s: %v", id, err)
	}
	return openUpload(t, s, id)
}

func appendTo(t *testing.T, u storage.Upload, data string) {
	t.Helper()
	n, err := u.Append(t.Context(), strings.NewReader(data))
	if err != nil || n != int64(len(data)) {
		t.Fatalf("append = %d, %v, want %d", n, err, len(data))
	}
}

func closeUpload(t *testing.T, u storage.Upload) {
	t.Helper()
	if err := u.Close(); err != nil {
		t.Fatalf("close upload: %v", err)
	}
}

// race runs fn n times at once, all released at the same moment, and waits for all.
func race(n int, fn func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	wg.Wait()
}

// settle waits until the fingerprint of a folder is settled, if the Store has such a thing.
func settle(t *testing.T, s storage.Store, prefix string) (stamp storage.Stamp, ok bool) {
	t.Helper()
	folders, ok := storage.As[storage.Fingerprinter](s)
	if !ok {
		return stamp, false
	}
	ok = eventually(t.Context(), 3*time.Second, func() (settled bool) {
		var err error
		stamp, settled, err = folders.Fingerprint(t.Context(), prefix)
		return err == nil && settled
	})
	return stamp, ok
}

// eventually looks again and again until cond holds, and says whether it did in time.
func eventually(ctx context.Context, within time.Duration, cond func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func brief(b []byte) string {
	const most = 40
	if len(b) > most {
		return string(b[:most]) + "..."
	}
	return string(b)
}
