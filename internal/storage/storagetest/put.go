package storagetest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

var putProofs = []proof{
	{"put replaces the whole content", tryPutReplaces},
	{"a reader sees the old content or the new one", tryPutWhole},
	{"a reader sees the old content or none, when the new one is empty", tryPutEmptyWhole},
	{"put keeps no hold of the data", tryPutCopies},
	{"the version is that of the new content", tryPutVersion},
	{"a condemned object is live after a put", tryPutRevives},
	{"with if-absent one of many racing puts wins", tryPutIfAbsent},
	{"with if-absent one of many racing empty puts wins", tryPutIfAbsentEmpty},
	{"with if-absent a condemned object counts as present", tryPutIfAbsentCondemned},
	{"with if-unchanged a put needs the live object at that version", tryPutIfUnchanged},
	{"with if-unchanged no change is lost", tryPutCounter},
}

var deleteProofs = []proof{
	{"delete removes an object in every state, and is idempotent", tryDelete},
	{"delete leaves the neighbours alone", tryDeleteNeighbours},
	{"with if-unchanged a delete needs the live object at that version", tryDeleteIfUnchanged},
	{"with if-unchanged a delete and a put have one winner", tryDeleteAgainstPut},
	{"a deleted key can be put again", tryDeleteThenPut},
	{"delete wins against whoever condemns or revives meanwhile", tryDeleteInMotion},
}

func tryPutReplaces(t *testing.T, s storage.Store) {
	for _, data := range []string{"a long first content", "short", "", "a longer last content"} {
		put(t, s, "a/b/c", data)
		wantContent(t, s, "a/b/c", data, storage.Live)
	}
}

func tryPutWhole(t *testing.T, s storage.Store) {
	contents := []string{strings.Repeat("a", 70_000), strings.Repeat("b", 130_000)}
	tryMix(t, s, contents)
}

func tryPutEmptyWhole(t *testing.T, s storage.Store) {
	tryMix(t, s, []string{strings.Repeat("a", 100), ""})
}

// tryMix puts contents in turn while others read.
func tryMix(t *testing.T, s storage.Store, contents []string) {
	put(t, s, "a", contents[0])
	var done atomic.Bool
	race(3, func(worker int) {
		if worker == 0 {
			defer done.Store(true)
			for i := range 60 {
				put(t, s, "a", contents[i%len(contents)])
			}
			return
		}
		for !done.Load() {
			value, err := s.Get(t.Context(), "a")
			if err != nil {
				t.Errorf("get while others put: %v", err)
				return
			}
			if got := string(value.Data); got != contents[0] && got != contents[1] {
				t.Errorf("get while others put = a mix of %d bytes: %s", len(got), brief(value.Data))
				return
			}
		}
	})
}

func tryPutCopies(t *testing.T, s storage.Store) {
	data := []byte("before")
	if _, err := s.Put(t.Context(), "a", data, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	copy(data, "behind")
	wantContent(t, s, "a", "before", storage.Live)
	value, err := s.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	copy(value.Data, "behind")
	wantContent(t, s, "a", "before", storage.Live)
}

func tryPutVersion(t *testing.T, s storage.Store) {
	first := put(t, s, "a", "one")
	value, err := s.Get(t.Context(), "a")
	if err != nil || value.Version != first || first == "" {
		t.Errorf("get has version %q, %v, want that of the put, %q", value.Version, err, first)
	}
	if second := put(t, s, "a", "two"); second == first {
		t.Errorf("two contents have the version %q", first)
	}
	if empty := put(t, s, "a", ""); empty == "" {
		t.Error("an empty object has no version")
	}
}

func tryPutRevives(t *testing.T, s storage.Store) {
	for _, tt := range []struct{ key, data string }{{"a/full", "new"}, {"a/empty", ""}} {
		put(t, s, tt.key, "old")
		condemn(t, s, tt.key)
		put(t, s, tt.key, tt.data)
		wantContent(t, s, tt.key, tt.data, storage.Live)
		wantError(t, "destroy "+tt.key+", which is live", s.Destroy(t.Context(), tt.key, storage.DeleteOptions{}), storage.ErrNotExist)
		wantContent(t, s, tt.key, tt.data, storage.Live)
	}
	if got := condemnedKeys(t, s, ""); len(got) > 0 {
		t.Errorf("condemned are %q, want none", got)
	}
}

func tryPutIfAbsent(t *testing.T, s storage.Store) {
	tryOneWinner(t, s, func(i int) string { return strconv.Itoa(i) })
}

func tryPutIfAbsentEmpty(t *testing.T, s storage.Store) {
	tryOneWinner(t, s, func(int) string { return "" })
}

func tryOneWinner(t *testing.T, s storage.Store, data func(i int) string) {
	for round := range 20 {
		key := "a/" + strconv.Itoa(round)
		var wins atomic.Int64
		var winner atomic.Int64
		race(8, func(i int) {
			_, err := s.Put(t.Context(), key, []byte(data(i)), storage.PutOptions{IfAbsent: true})
			if err == nil {
				wins.Add(1)
				winner.Store(int64(i))
			} else if !errors.Is(err, storage.ErrExists) {
				t.Errorf("put: %v, want %v", err, storage.ErrExists)
			}
		})
		if wins.Load() != 1 {
			t.Fatalf("%d of 8 puts won, want 1", wins.Load())
		}
		wantContent(t, s, key, data(int(winner.Load())), storage.Live)
	}
}

func tryPutIfAbsentCondemned(t *testing.T, s storage.Store) {
	for _, data := range []string{"new", ""} {
		put(t, s, "a", "old")
		condemn(t, s, "a")
		_, err := s.Put(t.Context(), "a", []byte(data), storage.PutOptions{IfAbsent: true})
		wantError(t, "put over a condemned object", err, storage.ErrExists)
		wantContent(t, s, "a", "old", storage.Condemned)
		remove(t, s, "a")
	}
}

func tryPutIfUnchanged(t *testing.T, s storage.Store) {
	for _, data := range []string{"new", ""} {
		version := put(t, s, "a", "old")
		after, err := s.Put(t.Context(), "a", []byte(data), storage.PutOptions{IfUnchanged: version})
		wantError(t, "put at the version", err, nil)
		wantContent(t, s, "a", data, storage.Live)

		_, err = s.Put(t.Context(), "a", []byte("late"), storage.PutOptions{IfUnchanged: version})
		wantError(t, "put at an older version", err, storage.ErrChanged)
		wantContent(t, s, "a", data, storage.Live)

		condemn(t, s, "a")
		_, err = s.Put(t.Context(), "a", []byte("late"), storage.PutOptions{IfUnchanged: after})
		wantError(t, "put at the version of a condemned object", err, storage.ErrChanged)
		wantContent(t, s, "a", data, storage.Condemned)

		remove(t, s, "a")
		_, err = s.Put(t.Context(), "a", []byte("late"), storage.PutOptions{IfUnchanged: after})
		wantError(t, "put at the version of what is gone", err, storage.ErrChanged)
		wantGone(t, s, "a")
	}
}

func tryPutCounter(t *testing.T, s storage.Store) {
	const workers, each = 4, 15
	put(t, s, "a", "0")
	race(workers, func(int) {
		for range each {
			if err := increment(t, s, "a"); err != nil {
				t.Errorf("increment: %v", err)
				return
			}
		}
	})
	wantContent(t, s, "a", strconv.Itoa(workers*each), storage.Live)
}

// increment adds one to a number by check-and-set, again and again until it wins.
func increment(t *testing.T, s storage.Store, key string) error {
	for {
		value, err := s.Get(t.Context(), key)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(bytes.TrimSpace(value.Data)))
		if err != nil {
			return err
		}
		_, err = s.Put(t.Context(), key, []byte(strconv.Itoa(n+1)), storage.PutOptions{IfUnchanged: value.Version})
		if !errors.Is(err, storage.ErrChanged) {
			return err
		}
	}
}

func tryDelete(t *testing.T, s storage.Store) {
	remove(t, s, "never/there")
	put(t, s, "live", "x")
	put(t, s, "condemned", "x")
	condemn(t, s, "condemned")
	for range 2 {
		for _, key := range []string{"live", "condemned"} {
			remove(t, s, key)
			wantGone(t, s, key)
		}
	}
	if got := condemnedKeys(t, s, ""); len(got) > 0 {
		t.Errorf("condemned are %q, want none", got)
	}
	wantNames(t, s, "", storage.ListOptions{Deep: true})
}

func tryDeleteNeighbours(t *testing.T, s storage.Store) {
	for _, key := range []string{"p/a", "p/ab", "p/b/c"} {
		put(t, s, key, key)
	}
	remove(t, s, "p/a")
	remove(t, s, "p/b/none")
	wantNames(t, s, "", storage.ListOptions{Deep: true}, "p/ab", "p/b/c")
}

func tryDeleteIfUnchanged(t *testing.T, s storage.Store) {
	old := put(t, s, "a", "old")
	now := put(t, s, "a", "new")
	at := func(version storage.Version) error {
		return s.Delete(t.Context(), "a", storage.DeleteOptions{IfUnchanged: version})
	}
	wantError(t, "delete at an older version", at(old), storage.ErrChanged)
	wantContent(t, s, "a", "new", storage.Live)
	wantError(t, "delete at the version", at(now), nil)
	wantGone(t, s, "a")
	wantError(t, "delete of what is gone", at(now), storage.ErrChanged)
}

func tryDeleteAgainstPut(t *testing.T, s storage.Store) {
	for round := range 30 {
		key := "a/" + strconv.Itoa(round)
		version := put(t, s, key, "old")
		errs := make([]error, 2)
		race(2, func(i int) {
			if i == 0 {
				errs[0] = s.Delete(t.Context(), key, storage.DeleteOptions{IfUnchanged: version})
				return
			}
			_, errs[1] = s.Put(t.Context(), key, []byte("new"), storage.PutOptions{IfUnchanged: version})
		})
		switch {
		case errs[0] == nil && errors.Is(errs[1], storage.ErrChanged):
			wantGone(t, s, key)
		case errs[1] == nil && errors.Is(errs[0], storage.ErrChanged):
			wantContent(t, s, key, "new", storage.Live)
		default:
			t.Fatalf("delete: %v, put: %v, want one winner", errs[0], errs[1])
		}
	}
}

func tryDeleteThenPut(t *testing.T, s storage.Store) {
	for range 3 {
		_, err := s.Put(t.Context(), "a/b", []byte("x"), storage.PutOptions{IfAbsent: true})
		wantError(t, "put of what was deleted", err, nil)
		wantContent(t, s, "a/b", "x", storage.Live)
		remove(t, s, "a/b")
	}
}

// tryDeleteInMotion deletes what is condemned or revived at the same time. Both have come to an end, so
// the object must be gone.
func tryDeleteInMotion(t *testing.T, s storage.Store) {
	for round := range 60 {
		key := "a/" + strconv.Itoa(round)
		move := s.Condemn
		put(t, s, key, "x")
		if round%2 == 0 {
			condemn(t, s, key)
			move = func(ctx context.Context, key string) error {
				_, err := s.Revive(ctx, key)
				return err
			}
		}
		race(2, func(i int) {
			if i == 0 {
				remove(t, s, key)
			} else if err := move(t.Context(), key); err != nil && !errors.Is(err, storage.ErrNotExist) {
				t.Errorf("change of state: %v", err)
			}
		})
		wantGone(t, s, key)
	}
}
