package faulty_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/faulty"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/storagetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return faulty.New(openFS(t, t.TempDir()), faulty.NewInjector(faulty.Plan{}))
	})
}

func openFS(t *testing.T, root string) *fs.Store {
	t.Helper()
	s, err := fs.New(fs.Config{Root: root}, fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// walk does one of everything that writes, as far as it gets, and returns its first error.
func walk(t *testing.T, s storage.Store) error {
	t.Helper()
	ctx := t.Context()
	if _, err := s.Put(ctx, "put", []byte("x"), storage.PutOptions{}); err != nil {
		return err
	}
	p, err := s.Prepare(ctx, "published", []byte("x"))
	if err != nil {
		return err
	}
	if err := p.Publish(ctx); err != nil {
		return err
	}
	if err := s.CreateUpload(ctx, "u", nil); err != nil {
		return err
	}
	u, err := s.OpenUpload(ctx, "u")
	if err != nil {
		return err
	}
	defer u.Close()
	if _, err := u.Append(ctx, strings.NewReader("0123456789")); err != nil {
		return err
	}
	if err := u.SaveState(ctx, []byte("state")); err != nil {
		return err
	}
	if _, err := u.Commit(ctx, "committed"); err != nil {
		return err
	}
	if err := s.Condemn(ctx, "put"); err != nil {
		return err
	}
	if _, err := s.Revive(ctx, "put"); err != nil {
		return err
	}
	return s.Delete(ctx, "put", storage.DeleteOptions{})
}

var steps = []string{
	"put put", "prepare published", "publish published", "create upload", "append to upload",
	"save upload state", "commit committed", "condemn put", "revive put", "delete put",
}

func TestStepsAreCountedInTheirOrder(t *testing.T) {
	t.Parallel()
	in := faulty.NewInjector(faulty.Plan{})
	if err := walk(t, faulty.New(openFS(t, t.TempDir()), in)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(in.Steps(), "\n"); got != strings.Join(steps, "\n") {
		t.Errorf("steps\n got %s\nwant %s", got, strings.Join(steps, "\n"))
	}
	if in.Reads() != 1 || in.Broken() {
		t.Errorf("reads = %d, broken = %t, want the one that opens the upload", in.Reads(), in.Broken())
	}
}

func TestACutStopsEverythingFromItsStepOn(t *testing.T) {
	t.Parallel()
	for n := 1; n <= len(steps); n++ {
		root := t.TempDir()
		in := faulty.NewInjector(faulty.Plan{CutAt: n})
		s := faulty.New(openFS(t, root), in)
		if err := walk(t, s); !errors.Is(err, faulty.ErrCut) || !strings.HasPrefix(err.Error(), steps[n-1]) {
			t.Errorf("cut at %d: %v, want it at %s", n, err, steps[n-1])
		}
		if got := len(in.Steps()); got != n || !in.Broken() {
			t.Errorf("cut at %d: %d steps", n, got)
		}
		if _, err := s.Get(t.Context(), "put"); !errors.Is(err, faulty.ErrCut) {
			t.Errorf("read after the cut: %v, want %v", err, faulty.ErrCut)
		}
		if _, err := s.Put(t.Context(), "late", nil, storage.PutOptions{}); !errors.Is(err, faulty.ErrCut) {
			t.Errorf("write after the cut: %v, want %v", err, faulty.ErrCut)
		}
		if _, err := openFS(t, root).Get(t.Context(), "late"); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("what was written after the cut: %v, want %v", err, storage.ErrNotExist)
		}
	}
}

func TestACutAppendKeepsHalfOfItsBytes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := faulty.New(openFS(t, root), faulty.NewInjector(faulty.Plan{CutAt: 5}))
	if err := walk(t, s); !errors.Is(err, faulty.ErrCut) {
		t.Fatalf("walk: %v, want %v", err, faulty.ErrCut)
	}
	u, err := openFS(t, root).OpenUpload(t.Context(), "u")
	if err != nil {
		t.Fatalf("a dead writer holds its session: %v", err)
	}
	defer u.Close()
	if u.Size() != 5 {
		t.Errorf("session has %d bytes, want 5 of 10", u.Size())
	}
}

func TestAFailureHappensOnceBeforeOrAfterItsStep(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		plan faulty.Plan
		want error // of a read of what the step wrote
	}{
		{"before its step it leaves nothing", faulty.Plan{FailAt: 1}, storage.ErrNotExist},
		{"after its step it leaves what was written", faulty.Plan{FailAfter: 1}, nil},
		{"it may have a cause", faulty.Plan{FailAt: 1, Err: storage.ErrNoSpace}, storage.ErrNotExist},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := faulty.New(openFS(t, t.TempDir()), faulty.NewInjector(tt.plan))
			_, err := s.Put(t.Context(), "a", []byte("x"), storage.PutOptions{})
			if !errors.Is(err, faulty.ErrInjected) || tt.plan.Err != nil && !errors.Is(err, tt.plan.Err) {
				t.Errorf("put: %v, want %v", err, faulty.ErrInjected)
			}
			if _, err := s.Get(t.Context(), "a"); !errors.Is(err, tt.want) {
				t.Errorf("get: %v, want %v", err, tt.want)
			}
			if _, err := s.Put(t.Context(), "a", []byte("x"), storage.PutOptions{}); err != nil {
				t.Errorf("second put: %v", err)
			}
		})
	}
}

func TestAReadFailsOnce(t *testing.T) {
	t.Parallel()
	s := faulty.New(openFS(t, t.TempDir()), faulty.NewInjector(faulty.Plan{FailReadAt: 2}))
	if _, err := s.Put(t.Context(), "a", []byte("x"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, faulty.ErrInjected, nil} {
		if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, want) {
			t.Errorf("read %d: %v, want %v", i+1, err, want)
		}
	}
}

func TestStoresShareAnInjector(t *testing.T) {
	t.Parallel()
	in := faulty.NewInjector(faulty.Plan{CutAt: 2})
	a, b := faulty.New(openFS(t, t.TempDir()), in), faulty.New(openFS(t, t.TempDir()), in)
	if _, err := a.Put(t.Context(), "a", nil, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "a", nil, storage.PutOptions{}); !errors.Is(err, faulty.ErrCut) {
		t.Errorf("second step: %v, want %v", err, faulty.ErrCut)
	}
	if _, err := a.Stat(t.Context(), "a"); !errors.Is(err, faulty.ErrCut) {
		t.Errorf("read after the cut: %v, want %v", err, faulty.ErrCut)
	}
}

// opening is a Store with a power.
type opening struct{ storage.Store }

func (opening) OpenData(context.Context, storage.DataKey) (io.ReadSeekCloser, storage.Info, error) {
	return nil, storage.Info{}, storage.ErrNotExist
}

func TestAPowerIsAReadingStep(t *testing.T) {
	t.Parallel()
	plain := openFS(t, t.TempDir())
	if _, ok := storage.As[storage.DataOpener](faulty.New(plain, faulty.NewInjector(faulty.Plan{}))); ok {
		t.Error("a store without data keys has got some")
	}
	s, ok := storage.As[storage.DataOpener](faulty.New(opening{plain}, faulty.NewInjector(faulty.Plan{FailReadAt: 2})))
	if !ok {
		t.Fatal("the power of the store is hidden")
	}
	for i, want := range []error{storage.ErrNotExist, faulty.ErrInjected, storage.ErrNotExist} {
		if _, _, err := s.OpenData(t.Context(), "k"); !errors.Is(err, want) {
			t.Errorf("read %d: %v, want %v", i+1, err, want)
		}
	}
}
