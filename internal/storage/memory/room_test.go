package memory_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

const limit = bytesize.MiB

func newLimited() *memory.Store { return memory.New(memory.Options{Limit: limit}) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s storage.Store, key, data string) {
	t.Helper()
	_, err := s.Put(t.Context(), key, []byte(data), storage.PutOptions{})
	must(t, err)
}

func newUpload(t *testing.T, s storage.Store, id string) storage.Upload {
	t.Helper()
	must(t, s.CreateUpload(t.Context(), id, []byte("label")))
	u, err := s.OpenUpload(t.Context(), id)
	must(t, err)
	t.Cleanup(func() { u.Close() })
	return u
}

func appendTo(t *testing.T, u storage.Upload, size int) {
	t.Helper()
	n, err := u.Append(t.Context(), strings.NewReader(strings.Repeat("x", size)))
	if err != nil || n != int64(size) {
		t.Fatalf("append = %d, %v, want %d", n, err, size)
	}
}

func wantNoSpace(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("%s: %v, want %v", what, err, storage.ErrNoSpace)
	}
}

// TestWhatHasNoRoomLeavesNothing fills a store by everything that writes.
func TestWhatHasNoRoomLeavesNothing(t *testing.T) {
	t.Parallel()
	large := make([]byte, limit)
	for name, write := range map[string]func(s storage.Store) error{
		"put": func(s storage.Store) error {
			_, err := s.Put(t.Context(), "a", large, storage.PutOptions{})
			return err
		},
		"prepare": func(s storage.Store) error { _, err := s.Prepare(t.Context(), "a", large); return err },
		"create upload": func(s storage.Store) error {
			return s.CreateUpload(t.Context(), "u", large)
		},
		"a key of its own for each of many empty objects": func(s storage.Store) error {
			var err error
			for i := 0; err == nil; i++ {
				_, err = s.Put(t.Context(), fmt.Sprint("empty/", i), nil, storage.PutOptions{})
			}
			for entry := range s.List(t.Context(), "", storage.ListOptions{Deep: true}) {
				must(t, s.Delete(t.Context(), entry.Name, storage.DeleteOptions{}))
			}
			return err
		},
	} {
		s := newLimited()
		wantNoSpace(t, name, write(s))
		if s.Used() != 0 {
			t.Errorf("%s: %d bytes are in use afterwards, want none", name, s.Used())
		}
	}
}

// TestAnAppendThatHasNoRoomGivesBackWhatItTook, and only that: the session can go on, and so can others.
func TestAnAppendThatHasNoRoomGivesBackWhatItTook(t *testing.T) {
	t.Parallel()
	s := newLimited()
	u := newUpload(t, s, "u")
	appendTo(t, u, 100_000)
	must(t, u.SaveState(t.Context(), []byte("state")))
	before := s.Used()
	n, err := u.Append(t.Context(), bytes.NewReader(make([]byte, limit)))
	wantNoSpace(t, "append", err)
	if n != 0 || u.Size() != 100_000 || u.State() != nil || s.Used() >= before {
		t.Errorf("append took %d bytes, the session has %d and the state %q, %d are in use, want 100000, none and less than %d", n, u.Size(), u.State(), s.Used(), before)
	}
	appendTo(t, newUpload(t, s, "other"), int(limit)-300_000)
	appendTo(t, u, 1)
	_, err = u.Commit(t.Context(), "a")
	must(t, err)
	if value, err := s.Get(t.Context(), "a"); err != nil || string(value.Data) != strings.Repeat("x", 100_001) {
		t.Errorf("object has %d bytes, %v, want 100001", len(value.Data), err)
	}
}

// TestAFullStoreCanBeTidied: where no push has room any more, what a delete and a collection write still has.
func TestAFullStoreCanBeTidied(t *testing.T) {
	t.Parallel()
	s := newLimited()
	u := newUpload(t, s, "u")
	appendTo(t, u, int(limit)*9/10)
	_, err := u.Commit(t.Context(), "large")
	must(t, err)
	for i := 0; err == nil; i++ {
		_, err = s.Prepare(t.Context(), fmt.Sprint("draft/", i), make([]byte, 1000))
	}
	wantNoSpace(t, "prepare", err)
	wantNoSpace(t, "create upload", s.CreateUpload(t.Context(), "v", []byte(strings.Repeat("l", 1000))))

	put(t, s, "what was deleted", "a record")
	must(t, s.Probe(t.Context()))
	must(t, s.Condemn(t.Context(), "large"))
	must(t, s.Destroy(t.Context(), "large", storage.DeleteOptions{}))
	appendTo(t, newUpload(t, s, "w"), int(limit)/2)
}

// TestWhatEndsIsGivenBack lets everything that can be kept end in every way.
func TestWhatEndsIsGivenBack(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newLimited()
	for name, run := range map[string]func(){
		"replaced":             func() { put(t, s, "a", "long content"); put(t, s, "a", ""); put(t, s, "a", "x") },
		"a condition fails":    func() { s.Put(ctx, "a", []byte("x"), storage.PutOptions{IfUnchanged: "no version"}) },
		"put over a condemned": func() { put(t, s, "a", "x"); must(t, s.Condemn(ctx, "a")); put(t, s, "a", "y") },
		"destroyed": func() {
			put(t, s, "b", "x")
			must(t, s.Condemn(ctx, "b"))
			must(t, s.Destroy(ctx, "b", storage.DeleteOptions{}))
		},
		"deleted when condemned": func() {
			put(t, s, "b", "x")
			must(t, s.Condemn(ctx, "b"))
			must(t, s.Delete(ctx, "b", storage.DeleteOptions{}))
		},
		"drafts": func() {
			for i := range 3 {
				p, err := s.Prepare(ctx, "a", []byte("content of the draft"))
				must(t, err)
				switch i {
				case 0:
					must(t, p.Publish(ctx))
				case 1:
					must(t, p.Discard(ctx))
				case 2:
					_, err = s.Sweep(ctx, 0)
					must(t, err)
				}
				must(t, p.Discard(ctx))
			}
		},
		"sessions": func() {
			for i := range 3 {
				u := newUpload(t, s, fmt.Sprint("u", i))
				appendTo(t, u, 200_000)
				must(t, u.SaveState(ctx, []byte("one")))
				must(t, u.SaveState(ctx, []byte("another state")))
				if i > 0 {
					_, err := u.Commit(ctx, "a")
					must(t, err)
				}
				must(t, u.Cancel(ctx))
				must(t, u.Close())
			}
		},
	} {
		run()
		must(t, s.Delete(ctx, "a", storage.DeleteOptions{}))
		if s.Used() != 0 {
			t.Fatalf("%s: %d bytes are in use when nothing is kept, want none", name, s.Used())
		}
	}
}

// TestTheLimitHoldsForTheMemoryThatIsUsed measures the heap, so it does not run beside others.
func TestTheLimitHoldsForTheMemoryThatIsUsed(t *testing.T) {
	for name, write := range map[string]func(s storage.Store, i int) error{
		"empty objects": func(s storage.Store, i int) error {
			_, err := s.Put(t.Context(), fmt.Sprintf("namespace/_layers/sha256/%064d", i), nil, storage.PutOptions{})
			return err
		},
		"small objects": func(s storage.Store, i int) error {
			_, err := s.Put(t.Context(), fmt.Sprint(i), make([]byte, 17), storage.PutOptions{})
			return err
		},
		"sessions": func(s storage.Store, i int) error { return s.CreateUpload(t.Context(), fmt.Sprint(i), nil) },
		"drafts": func(s storage.Store, i int) error {
			_, err := s.Prepare(t.Context(), fmt.Sprint(i), []byte("x"))
			return err
		},
		"uploads in small pieces": func(s storage.Store, i int) error {
			if err := s.CreateUpload(t.Context(), fmt.Sprint(i), nil); err != nil {
				return err
			}
			u, err := s.OpenUpload(t.Context(), fmt.Sprint(i))
			for range 100 {
				if err == nil {
					_, err = u.Append(t.Context(), strings.NewReader("x"))
				}
			}
			return err
		},
		"uploads": func(s storage.Store, i int) error {
			if err := s.CreateUpload(t.Context(), fmt.Sprint(i), nil); err != nil {
				return err
			}
			u, err := s.OpenUpload(t.Context(), fmt.Sprint(i))
			if err == nil {
				_, err = u.Append(t.Context(), io.LimitReader(endless{}, 100_000))
			}
			return err
		},
	} {
		const most = 4 * bytesize.MiB
		s := memory.New(memory.Options{Limit: most})
		before := heap()
		var err error
		n := 0
		for ; err == nil; n++ {
			err = write(s, n)
		}
		used := heap() - before
		wantNoSpace(t, name, err)
		if used > int64(most)*11/10 { // allocations are rounded up
			t.Errorf("%s: %d take %d bytes of the heap, want about %d at most", name, n, used, most)
		}
		runtime.KeepAlive(s)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what is in a pool goes by the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
