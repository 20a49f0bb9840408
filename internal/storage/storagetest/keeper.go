package storagetest

import (
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

var keeperProofs = []proof{
	{"condemn keeps the object and shows it as condemned", tryCondemn},
	{"what is condemned already stays so since when it was", tryCondemnAgain},
	{"what is gone cannot be condemned, revived or destroyed", tryKeepGone},
	{"revive makes a condemned object live", tryRevive},
	{"revive of a live object changes nothing", tryReviveLive},
	{"destroy ends a condemned object and touches no live one", tryDestroy},
	{"destroy ends what is condemned as it was listed, and nothing else", tryDestroyListed},
	{"revive and destroy have one winner", tryReviveAgainstDestroy},
	{"destroy has one winner of many", tryDestroyOnce},
	{"condemn and revive by many at once lose nothing", tryKeepTogether},
	{"what is condemned is found under a prefix", tryCondemnedPrefix},
	{"an object can go through its states again and again", tryStatesAgain},
}

func tryCondemn(t *testing.T, s storage.Store) {
	put(t, s, "a/b", "data")
	before := time.Now().Add(-2 * time.Second)
	condemn(t, s, "a/b")
	wantContent(t, s, "a/b", "data", storage.Condemned)
	all := collect(t, "list condemned", s.Condemned(t.Context(), ""))
	if len(all) != 1 || all[0].Key != "a/b" || all[0].Size != 4 || all[0].Since.Before(before) || all[0].Since.After(time.Now().Add(2*time.Second)) {
		t.Errorf("condemned are %+v, want a/b of 4 bytes, now", all)
	}
}

func tryCondemnAgain(t *testing.T, s storage.Store) {
	put(t, s, "a", "x")
	condemn(t, s, "a")
	first := collect(t, "list condemned", s.Condemned(t.Context(), ""))
	tick := time.NewTimer(20 * time.Millisecond) // more than a tick of any file system's clock
	<-tick.C
	condemn(t, s, "a")
	second := collect(t, "list condemned", s.Condemned(t.Context(), ""))
	if len(first) != 1 || len(second) != 1 || !first[0].Since.Equal(second[0].Since) {
		t.Errorf("condemned again: %+v, then %+v, want the same", first, second)
	}
}

func tryKeepGone(t *testing.T, s storage.Store) {
	put(t, s, "a/deleted", "x")
	remove(t, s, "a/deleted")
	for _, key := range []string{"never", "a/never", "a/deleted", "a/deleted/below"} {
		wantError(t, "condemn "+key, s.Condemn(t.Context(), key), storage.ErrNotExist)
		_, err := s.Revive(t.Context(), key)
		wantError(t, "revive "+key, err, storage.ErrNotExist)
		wantError(t, "destroy "+key, s.Destroy(t.Context(), key, storage.DeleteOptions{}), storage.ErrNotExist)
		wantGone(t, s, key)
	}
}

func tryRevive(t *testing.T, s storage.Store) {
	put(t, s, "a/b", "data")
	condemn(t, s, "a/b")
	for _, before := range []storage.State{storage.Condemned, storage.Live} {
		info, err := s.Revive(t.Context(), "a/b")
		if err != nil || info.State != before || info.Size != 4 {
			t.Errorf("revive = %+v, %v, want 4 bytes, and state %d before", info, err, before)
		}
	}
	wantContent(t, s, "a/b", "data", storage.Live)
	wantNames(t, s, "a", storage.ListOptions{}, "b")
	if got := condemnedKeys(t, s, ""); len(got) > 0 {
		t.Errorf("condemned are %q, want none", got)
	}
}

func tryReviveLive(t *testing.T, s storage.Store) {
	version := put(t, s, "a", "data")
	for range 3 {
		info, err := s.Revive(t.Context(), "a")
		if err != nil || info.State != storage.Live || info.Size != 4 {
			t.Errorf("revive = %+v, %v, want 4 bytes, live", info, err)
		}
	}
	value, err := s.Get(t.Context(), "a")
	if err != nil || value.Version != version {
		t.Errorf("version after revive = %q, %v, want %q", value.Version, err, version)
	}
}

func tryDestroy(t *testing.T, s storage.Store) {
	put(t, s, "a", "data")
	wantError(t, "destroy of what is live", s.Destroy(t.Context(), "a", storage.DeleteOptions{}), storage.ErrNotExist)
	wantContent(t, s, "a", "data", storage.Live)
	condemn(t, s, "a")
	wantError(t, "destroy of what is condemned", s.Destroy(t.Context(), "a", storage.DeleteOptions{}), nil)
	wantGone(t, s, "a")
	wantError(t, "destroy of what is gone", s.Destroy(t.Context(), "a", storage.DeleteOptions{}), storage.ErrNotExist)
}

func tryDestroyListed(t *testing.T, s storage.Store) {
	put(t, s, "a", "data")
	condemn(t, s, "a")
	listed := collect(t, "list condemned", s.Condemned(t.Context(), ""))
	if len(listed) != 1 {
		t.Fatalf("condemned are %v, want a alone", listed)
	}
	revive(t, s, "a")
	condemn(t, s, "a")
	wantError(t, "destroy of what was revived and condemned anew", s.Destroy(t.Context(), "a", storage.DeleteOptions{IfUnchanged: listed[0].Version}), storage.ErrChanged)
	wantContent(t, s, "a", "data", storage.Condemned)
	listed = collect(t, "list condemned", s.Condemned(t.Context(), ""))
	wantError(t, "destroy of what is condemned as it was listed", s.Destroy(t.Context(), "a", storage.DeleteOptions{IfUnchanged: listed[0].Version}), nil)
	wantGone(t, s, "a")
}

func tryReviveAgainstDestroy(t *testing.T, s storage.Store) {
	for round := range 60 {
		key := "a/" + strconv.Itoa(round)
		put(t, s, key, "x")
		condemn(t, s, key)
		var revived, destroyed error
		race(2, func(i int) {
			if i == 0 {
				_, revived = s.Revive(t.Context(), key)
			} else {
				destroyed = s.Destroy(t.Context(), key, storage.DeleteOptions{})
			}
		})
		switch {
		case revived == nil && errors.Is(destroyed, storage.ErrNotExist):
			wantContent(t, s, key, "x", storage.Live)
		case destroyed == nil && errors.Is(revived, storage.ErrNotExist):
			wantGone(t, s, key)
		default:
			t.Fatalf("revive: %v, destroy: %v, want one winner", revived, destroyed)
		}
	}
}

func tryDestroyOnce(t *testing.T, s storage.Store) {
	for round := range 20 {
		key := "a/" + strconv.Itoa(round)
		put(t, s, key, "x")
		condemn(t, s, key)
		var wins atomic.Int64
		race(6, func(int) {
			err := s.Destroy(t.Context(), key, storage.DeleteOptions{})
			if err == nil {
				wins.Add(1)
			} else if !errors.Is(err, storage.ErrNotExist) {
				t.Errorf("destroy: %v", err)
			}
		})
		if wins.Load() != 1 {
			t.Fatalf("%d of 6 destroyed it, want 1", wins.Load())
		}
		wantGone(t, s, key)
	}
}

func tryKeepTogether(t *testing.T, s storage.Store) {
	put(t, s, "a", "data")
	race(6, func(i int) {
		for range 20 {
			var err error
			if i%2 == 0 {
				err = s.Condemn(t.Context(), "a")
			} else {
				_, err = s.Revive(t.Context(), "a")
			}
			// Where it moves faster than anybody looks, not-exist may be said; nothing may be lost.
			if err != nil && !errors.Is(err, storage.ErrNotExist) {
				t.Errorf("worker %d: %v", i, err)
			}
		}
	})
	if _, err := s.Revive(t.Context(), "a"); err != nil {
		t.Fatalf("revive: %v", err)
	}
	wantContent(t, s, "a", "data", storage.Live)
	if got := condemnedKeys(t, s, ""); len(got) > 0 {
		t.Errorf("condemned are %q, want none", got)
	}
}

func tryCondemnedPrefix(t *testing.T, s storage.Store) {
	for _, key := range []string{"p/a", "p/b/c", "pq/a", "q"} {
		put(t, s, key, key)
		condemn(t, s, key)
	}
	put(t, s, "p/live", "")
	for prefix, want := range map[string]string{"": "p/a p/b/c pq/a q", "p": "p/a p/b/c", "p/b": "p/b/c", "none": ""} {
		if got := strings.Join(condemnedKeys(t, s, prefix), " "); got != want {
			t.Errorf("condemned under %q are %q, want %q", prefix, got, want)
		}
	}
}

func tryStatesAgain(t *testing.T, s storage.Store) {
	for i := range 5 {
		data := strconv.Itoa(i)
		put(t, s, "a/b", data)
		condemn(t, s, "a/b")
		if _, err := s.Revive(t.Context(), "a/b"); err != nil {
			t.Fatalf("revive: %v", err)
		}
		condemn(t, s, "a/b")
		wantContent(t, s, "a/b", data, storage.Condemned)
		wantError(t, "destroy", s.Destroy(t.Context(), "a/b", storage.DeleteOptions{}), nil)
		wantGone(t, s, "a/b")
	}
}
