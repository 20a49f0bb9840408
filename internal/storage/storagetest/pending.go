package storagetest

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

var pendingProofs = []proof{
	{"drafts alone shows what is prepared", tryPrepared},
	{"publish makes the object live, replacing what has the key", tryPublish},
	{"publish makes a condemned object live", tryPublishOverCondemned},
	{"a reader sees the old object until it is published, then the new one", tryPublishWhole},
	{"discard removes what was prepared and nothing else", tryDiscard},
	{"drafts of one key are independent", tryTwoDrafts},
	{"publish of what somebody removed says so", tryPublishRemoved},
	{"drafts are found under a prefix", tryDraftsPrefix},
	{"with if-unchanged neither a put nor a delete undoes what is published meanwhile", tryPublishAgainstChange},
}

func prepare(t *testing.T, s storage.Store, key, data string) storage.Pending {
	t.Helper()
	p, err := s.Prepare(t.Context(), key, []byte(data))
	if err != nil {
		t.Fatalf("prepare %s: %v", key, err)
	}
	return p
}

func publish(t *testing.T, p storage.Pending) {
	t.Helper()
	if err := p.Publish(t.Context()); err != nil {
		t.Errorf("publish: %v", err)
	}
}

func wantDrafts(t *testing.T, s storage.Store, prefix string, want ...string) {
	t.Helper()
	if got := draftKeys(t, s, prefix); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("drafts under %q are %q, want %q", prefix, got, want)
	}
}

func tryPrepared(t *testing.T, s storage.Store) {
	prepare(t, s, "a/b", "draft")
	wantGone(t, s, "a/b")
	wantNames(t, s, "", storage.ListOptions{Deep: true})
	if got := condemnedKeys(t, s, ""); len(got) > 0 {
		t.Errorf("condemned are %q, want none", got)
	}
	drafts := collect(t, "list drafts", s.Drafts(t.Context(), ""))
	if len(drafts) != 1 || drafts[0].Key != "a/b" || string(drafts[0].Data) != "draft" || drafts[0].At.IsZero() {
		t.Errorf("drafts are %+v, want the one of a/b", drafts)
	}
}

func tryPublish(t *testing.T, s storage.Store) {
	for _, data := range []string{"first", "second", "second", ""} {
		p := prepare(t, s, "a/b", data)
		publish(t, p)
		wantContent(t, s, "a/b", data, storage.Live)
		wantDrafts(t, s, "")
	}
	wantNames(t, s, "", storage.ListOptions{Deep: true}, "a/b")
}

func tryPublishOverCondemned(t *testing.T, s storage.Store) {
	put(t, s, "a", "old")
	condemn(t, s, "a")
	publish(t, prepare(t, s, "a", "new"))
	wantContent(t, s, "a", "new", storage.Live)
	wantError(t, "destroy of what is live", s.Destroy(t.Context(), "a", storage.DeleteOptions{}), storage.ErrNotExist)
	wantContent(t, s, "a", "new", storage.Live)
	if got := condemnedKeys(t, s, ""); len(got) > 0 {
		t.Errorf("condemned are %q, want none", got)
	}
}

func tryPublishWhole(t *testing.T, s storage.Store) {
	old, long := strings.Repeat("a", 50_000), strings.Repeat("b", 90_000)
	for range 10 {
		put(t, s, "a", old)
		p := prepare(t, s, "a", long)
		race(4, func(i int) {
			if i == 0 {
				publish(t, p)
				return
			}
			value, err := s.Get(t.Context(), "a")
			if got := string(value.Data); err != nil || got != old && got != long {
				t.Errorf("get = %d bytes, %v, want the old or the new object", len(got), err)
			}
		})
		wantContent(t, s, "a", long, storage.Live)
	}
}

func tryDiscard(t *testing.T, s storage.Store) {
	put(t, s, "a", "stays")
	stays := prepare(t, s, "b", "stays")
	if err := prepare(t, s, "a", "goes").Discard(t.Context()); err != nil {
		t.Errorf("discard: %v", err)
	}
	wantDrafts(t, s, "", "b")
	wantContent(t, s, "a", "stays", storage.Live)
	publish(t, stays)
	wantContent(t, s, "b", "stays", storage.Live)
}

func tryTwoDrafts(t *testing.T, s storage.Store) {
	first, second := prepare(t, s, "a", "first"), prepare(t, s, "a", "second")
	wantDrafts(t, s, "", "a", "a")
	publish(t, second)
	wantContent(t, s, "a", "second", storage.Live)
	wantDrafts(t, s, "", "a")
	publish(t, first)
	wantContent(t, s, "a", "first", storage.Live)
	wantDrafts(t, s, "")
}

func tryPublishRemoved(t *testing.T, s storage.Store) {
	p := prepare(t, s, "a", "x")
	if _, err := s.Sweep(t.Context(), 0); err != nil {
		t.Fatalf("sweep: %v", err)
	}
	wantError(t, "publish of what was swept", p.Publish(t.Context()), storage.ErrNotExist)
	wantGone(t, s, "a")
}

func tryDraftsPrefix(t *testing.T, s storage.Store) {
	for _, key := range []string{"p/a", "p/b/c", "p~", "pq/a", "p/~/~"} {
		prepare(t, s, key, key)
	}
	wantDrafts(t, s, "p", "p/a", "p/b/c", "p/~/~")
	wantDrafts(t, s, "", "p/a", "p/b/c", "p/~/~", "pq/a", "p~")
	wantDrafts(t, s, "none")
	for _, d := range collect(t, "list drafts", s.Drafts(t.Context(), "")) {
		if string(d.Data) != d.Key {
			t.Errorf("draft of %q holds %q", d.Key, d.Data)
		}
	}
}

// tryPublishAgainstChange: whichever of the two is first, the object that was published is there afterwards. A draft may
// be lost to the other one, and then says so.
func tryPublishAgainstChange(t *testing.T, s storage.Store) {
	for round := range 20 {
		key := "a/" + strconv.Itoa(round)
		version := put(t, s, key, "old")
		p := prepare(t, s, key, "published")
		var published, changed error
		race(2, func(i int) {
			switch {
			case i == 0:
				published = p.Publish(t.Context())
			case round%2 == 0:
				_, changed = s.Put(t.Context(), key, []byte("changed"), storage.PutOptions{IfUnchanged: version})
			default:
				changed = s.Delete(t.Context(), key, storage.DeleteOptions{IfUnchanged: version})
			}
		})
		if changed != nil {
			wantError(t, "put or delete", changed, storage.ErrChanged)
		}
		if published == nil {
			wantContent(t, s, key, "published", storage.Live)
		} else if !errors.Is(published, storage.ErrNotExist) || changed != nil {
			t.Errorf("publish: %v, put or delete: %v", published, changed)
		}
	}
}
