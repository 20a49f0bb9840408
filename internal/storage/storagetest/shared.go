package storagetest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// sharedProof is one promise that two Stores on one place keep together.
type sharedProof struct {
	promise string
	try     func(t *testing.T, a, b storage.Store)
}

var sharedProofs = []sharedProof{
	{"what one writes the other reads at once", trySharedObjects},
	{"what one changes shows in the listing of the other at once", trySharedListing},
	{"what one has closed over is there", trySharedReopened},
	{"one of many racing if-absent puts wins", trySharedIfAbsent},
	{"with if-unchanged no change is lost", trySharedCounter},
	{"revive and destroy have one winner", trySharedKeeper},
	{"a draft of one is seen and swept by the other", trySharedDrafts},
	{"a session is continued by the other", trySharedSession},
	{"a session has one writer at a time", trySharedWriter},
	{"a session is ended by the other", trySharedEnd},
	{"a name is claimed by one of them", trySharedClaim},
}

func trySharedObjects(t *testing.T, a, b storage.Store) {
	for i := range 5 {
		put(t, a, "k/a", strconv.Itoa(i))
		wantContent(t, b, "k/a", strconv.Itoa(i), storage.Live)
		put(t, b, "k/a", "b")
		wantContent(t, a, "k/a", "b", storage.Live)
	}
	condemn(t, a, "k/a")
	wantContent(t, b, "k/a", "b", storage.Condemned)
	if _, err := b.Revive(t.Context(), "k/a"); err != nil {
		t.Errorf("revive what the other condemned: %v", err)
	}
	wantContent(t, a, "k/a", "b", storage.Live)
	remove(t, b, "k/a")
	wantGone(t, a, "k/a")
	if _, err := a.Revive(t.Context(), "k/a"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("revive what the other deleted: %v, want %v", err, storage.ErrNotExist)
	}
}

// trySharedListing lets what a Store may cache settle first.
func trySharedListing(t *testing.T, a, b storage.Store) {
	put(t, a, "p/a", "")
	settle(t, a, "p")
	for _, step := range []struct {
		do   func()
		want []string
	}{
		{func() {}, []string{"a"}},
		{func() { put(t, b, "p/b", "") }, []string{"a", "b"}},
		{func() { condemn(t, b, "p/a") }, []string{"b"}},
		{func() { remove(t, b, "p/b") }, nil},
	} {
		step.do()
		for range 2 {
			wantNames(t, a, "p", storage.ListOptions{}, step.want...)
			wantNames(t, b, "p", storage.ListOptions{}, step.want...)
		}
	}
}

func trySharedReopened(t *testing.T, a, b storage.Store) {
	put(t, a, "live", "x")
	put(t, a, "condemned", "y")
	condemn(t, a, "condemned")
	u := newUpload(t, a, "u", "label")
	appendTo(t, u, "z")
	closeUpload(t, u)
	wantError(t, "close", a.Close(), nil)
	wantContent(t, b, "live", "x", storage.Live)
	wantContent(t, b, "condemned", "y", storage.Condemned)
	if got := openUpload(t, b, "u"); got.Size() != 1 || string(got.Label()) != "label" {
		t.Errorf("session has %d bytes and the label %q, want 1 and label", got.Size(), got.Label())
	}
}

func trySharedIfAbsent(t *testing.T, a, b storage.Store) {
	for round := range 20 {
		for _, data := range []string{"x", ""} {
			key := "k/" + strconv.Itoa(round) + data
			var wins atomic.Int64
			race(6, func(i int) {
				_, err := []storage.Store{a, b}[i%2].Put(t.Context(), key, []byte(data), storage.PutOptions{IfAbsent: true})
				if err == nil {
					wins.Add(1)
				} else if !errors.Is(err, storage.ErrExists) {
					t.Errorf("put: %v", err)
				}
			})
			if wins.Load() != 1 {
				t.Fatalf("%d puts won, want 1", wins.Load())
			}
		}
	}
}

func trySharedCounter(t *testing.T, a, b storage.Store) {
	const workers, each = 4, 10
	put(t, a, "k", "0")
	race(workers, func(i int) {
		for range each {
			if err := increment(t, []storage.Store{a, b}[i%2], "k"); err != nil {
				t.Errorf("increment: %v", err)
				return
			}
		}
	})
	wantContent(t, a, "k", strconv.Itoa(workers*each), storage.Live)
}

func trySharedKeeper(t *testing.T, a, b storage.Store) {
	for round := range 40 {
		key := "k/" + strconv.Itoa(round)
		put(t, a, key, "x")
		condemn(t, b, key)
		var revived, destroyed error
		race(2, func(i int) {
			if i == 0 {
				_, revived = a.Revive(t.Context(), key)
			} else {
				destroyed = b.Destroy(t.Context(), key, storage.DeleteOptions{})
			}
		})
		if (revived == nil) == (destroyed == nil) {
			t.Fatalf("revive: %v, destroy: %v, want one winner", revived, destroyed)
		}
		if revived != nil {
			wantGone(t, a, key)
			continue
		}
		wantContent(t, b, key, "x", storage.Live)
	}
}

func trySharedDrafts(t *testing.T, a, b storage.Store) {
	p := prepare(t, a, "k", "x")
	wantDrafts(t, b, "", "k")
	if removed, err := b.Sweep(t.Context(), 0); removed != 1 || err != nil {
		t.Errorf("sweep = %d, %v, want 1", removed, err)
	}
	wantError(t, "publish of what the other swept", p.Publish(t.Context()), storage.ErrNotExist)
}

func trySharedSession(t *testing.T, a, b storage.Store) {
	stores := []storage.Store{a, b}
	if err := a.CreateUpload(t.Context(), "u", []byte("label")); err != nil {
		t.Fatal(err)
	}
	want := ""
	for i := range 6 {
		u := openUpload(t, stores[i%2], "u")
		if u.Size() != int64(len(want)) || string(u.Label()) != "label" {
			t.Fatalf("resumed at %d with label %q, want %d", u.Size(), u.Label(), len(want))
		}
		if state := u.State(); state != nil && string(state) != want {
			t.Fatalf("resumed with state %q, want %q or none", state, want)
		}
		want += strconv.Itoa(i)
		appendTo(t, u, strconv.Itoa(i))
		if err := u.SaveState(t.Context(), []byte(want)); err != nil {
			t.Fatal(err)
		}
		closeUpload(t, u)
	}
	if _, err := openUpload(t, b, "u").Commit(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	wantContent(t, a, "k", want, storage.Live)
}

// trySharedWriter lets the second one be refused, or lose: a session never holds a mix.
func trySharedWriter(t *testing.T, a, b storage.Store) {
	first := newUpload(t, a, "u", "")
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	second, err := b.OpenUpload(impatient, "u")
	if err != nil {
		if !errors.Is(err, storage.ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("open by the other: %v, want %v or the end of the context", err, storage.ErrBusy)
		}
		closeUpload(t, first)
		openUpload(t, b, "u")
		return
	}
	appendTo(t, first, "first")
	if err := first.SaveState(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, err = second.Append(t.Context(), strings.NewReader("second"))
	if err == nil {
		_, err = second.Commit(t.Context(), "k")
	}
	wantError(t, "write by the other", err, storage.ErrBusy)
	closeUpload(t, second)
	closeUpload(t, first)
	if _, err := openUpload(t, b, "u").Commit(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	wantContent(t, a, "k", "first", storage.Live)
}

func trySharedEnd(t *testing.T, a, b storage.Store) {
	closeUpload(t, newUpload(t, a, "u", ""))
	if !slices.Equal(sessionIDs(t, b), []string{"u"}) {
		t.Error("the other does not list the session")
	}
	u := openUpload(t, b, "u")
	wantError(t, "cancel", u.Cancel(t.Context()), nil)
	closeUpload(t, u)
	wantEnded(t, a, "u")
}

func trySharedClaim(t *testing.T, a, b storage.Store) {
	_, release := claim(t, a, "a", "the first")
	wantClaimed(t, b, "a", "the first")
	release()
	claim(t, b, "a", "the second")
	wantClaimed(t, a, "a", "the second")
}
