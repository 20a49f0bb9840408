package metered_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/memory"
	"github.com/sreg-project/sreg/internal/storage/metered"
	"github.com/sreg-project/sreg/internal/storage/storagetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store {
		s, _ := newStore(t)
		return s
	})
}

func newStore(t *testing.T) (storage.Store, prometheus.Gatherer) {
	t.Helper()
	inner, err := fs.New(fs.Config{Root: t.TempDir()}, fs.Options{})
	must(t, err)
	must(t, inner.Create(t.Context()))
	t.Cleanup(func() { inner.Close() })
	registry := prometheus.NewRegistry()
	return metered.New(registry).Wrap(inner, "all"), registry
}

func TestOperationsAreCountedByTheirResult(t *testing.T) {
	t.Parallel()
	s, metrics := newStore(t)
	ctx := t.Context()
	_, err := s.Put(ctx, "a", []byte("x"), storage.PutOptions{IfAbsent: true})
	must(t, err)
	if _, err := s.Put(ctx, "a", []byte("x"), storage.PutOptions{IfAbsent: true}); err == nil {
		t.Error("the second put if-absent succeeded")
	}
	_, err = s.Get(ctx, "a")
	must(t, err)
	if _, err := s.Stat(ctx, "b"); err == nil {
		t.Error("stat of nothing succeeded")
	}
	for range 2 {
		for _, err := range s.List(ctx, "", storage.ListOptions{}) {
			must(t, err)
		}
	}
	must(t, s.CreateUpload(ctx, "u", nil))
	upload, err := s.OpenUpload(ctx, "u")
	must(t, err)
	defer upload.Close()
	_, err = upload.Append(ctx, strings.NewReader("x"))
	must(t, err)
	_, err = upload.Commit(ctx, "c")
	must(t, err)
	draft, err := s.Prepare(ctx, "d", []byte("x"))
	must(t, err)
	must(t, draft.Publish(ctx))

	wantCounts(t, metrics, map[string]float64{
		"put ok": 1, "put refused": 1, "get ok": 1, "stat absent": 1, "list ok": 2,
		"upload ok": 1, "append ok": 1, "commit ok": 1, "prepare ok": 1, "publish ok": 1,
	})
}

// powered is a Store with the powers that are counted.
type powered struct{ storage.Store }

func (powered) OpenData(context.Context, storage.DataKey) (io.ReadSeekCloser, storage.Info, error) {
	return nil, storage.Info{}, storage.ErrNotExist
}

func (powered) Fingerprint(context.Context, string) (storage.Stamp, bool, error) {
	return storage.Stamp{}, true, nil
}

func TestPowersAreCountedWhereTheStoreHasThem(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	metrics := metered.New(registry)
	s := metrics.Wrap(powered{memory.New(memory.Options{})}, "all")
	opener, opens := storage.As[storage.DataOpener](s)
	folders, tells := storage.As[storage.Fingerprinter](s)
	if !opens || !tells {
		t.Fatal("the powers of the store are hidden")
	}
	if _, _, err := opener.OpenData(t.Context(), "k"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("open data: %v, want %v", err, storage.ErrNotExist)
	}
	_, settled, err := folders.Fingerprint(t.Context(), "p")
	if err != nil || !settled {
		t.Errorf("fingerprint is settled: %t, %v", settled, err)
	}
	wantCounts(t, registry, map[string]float64{"open absent": 1, "stat ok": 1})
	if _, ok := storage.As[storage.DataOpener](metrics.Wrap(memory.New(memory.Options{}), "plain")); ok {
		t.Error("a store without data keys has got some")
	}
}

// wantCounts compares all counters that are not zero.
func wantCounts(t *testing.T, metrics prometheus.Gatherer, want map[string]float64) {
	t.Helper()
	families, err := metrics.Gather()
	must(t, err)
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if n := metric.GetCounter().GetValue(); n > 0 {
				got[labels["operation"]+" "+labels["result"]] = n
			}
		}
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s was counted %v times, want %v", name, got[name], n)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("counted besides: %v", got)
	}
	if problems, err := testutil.GatherAndLint(metrics); err != nil || len(problems) > 0 {
		t.Errorf("metrics are not as Prometheus wants them: %v, %v", problems, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
