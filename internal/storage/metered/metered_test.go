package metered_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
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

func newStore(t *testing.T) (*metered.Store, prometheus.Gatherer) {
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
