package s3_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestRequests counts what each call costs: each request is a wait, and money.
func TestRequests(t *testing.T) {
	t.Parallel()
	cfg, counter := s3test.Counted(t, s3test.Config(t))
	s := create(t, cfg)
	var version storage.Version
	var pending storage.Pending
	put(t, s, "live", "x")
	put(t, s, "condemned", "x")
	must(t, s.Condemn(t.Context(), "condemned"))
	put(t, s, "gone", "x")
	put(t, s, "once", "x")
	must(t, s.Delete(t.Context(), "gone", storage.DeleteOptions{}))
	ifAbsent, ifUnchanged := storage.PutOptions{IfAbsent: true}, func() storage.PutOptions { return storage.PutOptions{IfUnchanged: version} }
	for _, step := range []struct {
		name string
		do   func() error
		want map[string]int
	}{
		{"get", func() error { return second(s.Get(t.Context(), "live")) }, map[string]int{"GET": 1}},
		{"get of nothing", func() error { return wantMissing(second(s.Get(t.Context(), "none"))) }, map[string]int{"GET": 1}},
		{"stat", func() error { return second(s.Stat(t.Context(), "live")) }, map[string]int{"GET": 1}},
		{"stat of what is condemned", func() error { return second(s.Stat(t.Context(), "condemned")) }, map[string]int{"GET": 1}},
		{"stat of what is gone", func() error { return wantMissing(second(s.Stat(t.Context(), "gone"))) }, map[string]int{"GET": 1}},
		{"put", func() error { return second(s.Put(t.Context(), "live", []byte("y"), storage.PutOptions{})) }, map[string]int{"PUT": 1}},
		{"put if absent", func() (err error) {
			version, err = s.Put(t.Context(), "new", []byte("y"), ifAbsent)
			return err
		}, map[string]int{"PUT": 1}},
		{"put if unchanged, of what this process wrote", func() error { return second(s.Put(t.Context(), "new", []byte("z"), ifUnchanged())) }, map[string]int{"PUT": 1}},
		{"put if absent over what is gone", func() error { return second(s.Put(t.Context(), "gone", []byte("y"), ifAbsent)) }, map[string]int{"PUT": 2, "GET": 1}},
		{"revive of what is live", func() error { return second(s.Revive(t.Context(), "live")) }, map[string]int{"GET": 1}},
		{"revive of what is condemned", func() error { return second(s.Revive(t.Context(), "condemned")) }, map[string]int{"GET": 1, "PUT": 1}},
		{"condemn", func() error { return s.Condemn(t.Context(), "condemned") }, map[string]int{"GET": 1, "PUT": 1}},
		{"destroy", func() error { return s.Destroy(t.Context(), "condemned", storage.DeleteOptions{}) }, map[string]int{"GET": 1, "PUT": 1}},
		{"delete", func() error { return s.Delete(t.Context(), "live", storage.DeleteOptions{}) }, map[string]int{"GET": 1, "PUT": 1}},
		{"delete of what nobody puts again", func() error { return s.Delete(t.Context(), "once", storage.DeleteOptions{MayReturn: true}) }, map[string]int{"GET": 1, "DELETE": 1}},
		{"delete of what is gone", func() error { return s.Delete(t.Context(), "live", storage.DeleteOptions{}) }, map[string]int{"GET": 1}},
		{"prepare", func() (err error) {
			pending, err = s.Prepare(t.Context(), "draft", []byte("x"))
			return err
		}, map[string]int{"PUT": 1}},
		{"publish", func() error { return pending.Publish(t.Context()) }, map[string]int{"PUT": 1}},
		{"prepare over what is there", func() (err error) {
			pending, err = s.Prepare(t.Context(), "draft", []byte("y"))
			return err
		}, map[string]int{"PUT": 2, "GET": 1}},
		{"publish over what is there", func() error { return pending.Publish(t.Context()) }, map[string]int{"GET": 1, "PUT": 1, "DELETE": 1}},
		{"prepare over what is gone", func() (err error) {
			pending, err = s.Prepare(t.Context(), "live", []byte("y"))
			return err
		}, map[string]int{"PUT": 2, "GET": 1}},
		{"discard", func() error { return pending.Discard(t.Context()) }, map[string]int{"PUT": 1}},
		{"list one page", func() error {
			for _, err := range s.List(t.Context(), "", storage.ListOptions{}) {
				must(t, err)
			}
			return nil
		}, map[string]int{"LIST": 1}},
		{"probe", func() error { return s.Probe(t.Context()) }, map[string]int{"PUT": 1, "GET": 1, "DELETE": 1}},
	} {
		counter.Take()
		must(t, step.do())
		requests := counter.Requests()
		if got := counter.Take(); !maps.Equal(got, step.want) {
			t.Errorf("%s cost %v, want %v: %q", step.name, got, step.want, requests)
		}
	}
}

// wantMissing wants the error of what is not there, and is none then.
func wantMissing(err error) error {
	if !errors.Is(err, storage.ErrNotExist) {
		return fmt.Errorf("got %w, want %w", err, storage.ErrNotExist)
	}
	return nil
}
