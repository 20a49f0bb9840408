package s3_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestLargeListing lists more than two pages, most of which live.
func TestLargeListing(t *testing.T) {
	t.Parallel()
	const many, each = 2500, 10
	cfg, counter := s3test.Counted(t, s3test.Config(t))
	s := create(t, cfg)
	var work sync.WaitGroup
	for worker := range each {
		work.Go(func() {
			for i := worker; i < many; i += each {
				put(t, s, fmt.Sprintf("p/%04d", i), "")
			}
		})
	}
	work.Wait()
	must(t, s.Condemn(t.Context(), "p/0007"))
	must(t, s.Delete(t.Context(), "p/2000", storage.DeleteOptions{}))
	for _, opts := range []storage.ListOptions{{}, {Deep: true}} {
		counter.Take()
		var names []string
		for entry, err := range s.List(t.Context(), "p", opts) {
			must(t, err)
			names = append(names, entry.Name)
		}
		if len(names) != many-2 || names[7] != "0008" || names[len(names)-1] != "2499" {
			t.Errorf("list with %+v yields %d names from %q to %q, want all %d", opts, len(names), names[0], names[len(names)-1], many-2)
		}
		if got := counter.Take(); !maps.Equal(got, map[string]int{"LIST": 3}) {
			t.Errorf("list with %+v cost %v, want 3 requests", opts, got)
		}
	}
	counter.Take()
	for entry, err := range s.List(t.Context(), "p", storage.ListOptions{After: "1000"}) {
		must(t, err)
		if entry.Name != "1001" {
			t.Errorf("behind 1000 comes %q, want 1001", entry.Name)
		}
		break
	}
	if got := counter.Take(); !maps.Equal(got, map[string]int{"LIST": 1}) {
		t.Errorf("the first name of a listing cost %v, want one request", got)
	}
}
