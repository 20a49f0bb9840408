package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

var uploadProofs = []proof{
	{"the label comes back as it was", tryLabel},
	{"an id has letters, digits, dashes and underscores only", tryUploadID},
	{"what no session has is not found", tryNoSession},
	{"a session takes bytes in pieces and is resumed where it ended", tryAppend},
	{"what was read before an error stays appended, and counts", tryAppendBroken},
	{"content reads what was appended so far, from its start", tryContent},
	{"a session is described while somebody writes to it", tryStatUpload},
	{"a state is given back beside the bytes it was saved with", tryState},
	{"a state is not given back beside other bytes", tryStateStale},
	{"commit makes the bytes the live object and ends the session", tryCommit},
	{"commit of nothing is an empty object", tryCommitEmpty},
	{"commit replaces equal bytes, condemned or live", tryCommitAgain},
	{"commits of one key by many at once leave it whole", tryCommitTogether},
	{"an object that was committed is never written again", tryCommitThenAppend},
	{"cancel ends the session and removes its bytes", tryCancel},
	{"close is idempotent, also after commit and cancel", tryCloseAgain},
	{"a session has one writer at a time", tryOneWriter},
	{"who waits for a session that ends is told that it is gone", tryWaitForEnded},
	{"list yields all sessions", tryListUploads},
	{"sessions do not meet", trySessionsApart},
}

func tryLabel(t *testing.T, s storage.Store) {
	for i, label := range []string{"", "a/b", "\x00\xff\n", strings.Repeat("l", 5000)} {
		id := "session-" + strconv.Itoa(i)
		u := newUpload(t, s, id, label)
		if got := string(u.Label()); got != label || u.Size() != 0 {
			t.Errorf("label = %q, size %d, want %q, 0", brief([]byte(got)), u.Size(), brief([]byte(label)))
		}
		_, got, err := s.StatUpload(t.Context(), id)
		if err != nil || string(got) != label {
			t.Errorf("stat gives the label %q, %v, want %q", brief(got), err, brief([]byte(label)))
		}
	}
}

func tryUploadID(t *testing.T, s storage.Store) {
	newUpload(t, s, "aZ09-_", "")
	for _, id := range []string{"", ".", "..", "a/b", "../a", "a.b", "a\x00", "ä", "a b", "a~b"} {
		if err := s.CreateUpload(t.Context(), id, nil); err == nil {
			t.Errorf("create upload %q: no error, want one", id)
		}
		if _, err := s.OpenUpload(t.Context(), id); err == nil {
			t.Errorf("open upload %q: no error, want one", id)
		}
		if _, _, err := s.StatUpload(t.Context(), id); err == nil {
			t.Errorf("stat upload %q: no error, want one", id)
		}
	}
	if got := sessionIDs(t, s); !slices.Equal(got, []string{"aZ09-_"}) {
		t.Errorf("sessions are %q, want the one that was begun", got)
	}
}

func tryNoSession(t *testing.T, s storage.Store) {
	_, err := s.OpenUpload(t.Context(), "none")
	wantError(t, "open upload", err, storage.ErrNotExist)
	_, _, err = s.StatUpload(t.Context(), "none")
	wantError(t, "stat upload", err, storage.ErrNotExist)
}

func tryAppend(t *testing.T, s storage.Store) {
	data := strings.Repeat("0123456789abcdef", 40_000) // more than any buffer
	u := newUpload(t, s, "u", "label")
	for i, cut := range []int{1, 10, 300_000, 300_000, len(data)} {
		appendTo(t, u, data[u.Size():cut])
		if u.Size() != int64(cut) {
			t.Fatalf("size = %d after piece %d, want %d", u.Size(), i, cut)
		}
		if i%2 == 0 {
			closeUpload(t, u)
			u = openUpload(t, s, "u")
		}
		if string(u.Label()) != "label" || u.Size() != int64(cut) {
			t.Fatalf("resumed with label %q at %d, want label at %d", u.Label(), u.Size(), cut)
		}
	}
	if _, err := u.Commit(t.Context(), "a"); err != nil {
		t.Fatalf("commit: %v", err)
	}
	wantContent(t, s, "a", data, storage.Live)
}

func tryAppendBroken(t *testing.T, s storage.Store) {
	broken := errors.New("connection lost")
	u := newUpload(t, s, "u", "")
	appendTo(t, u, "one-")
	n, err := u.Append(t.Context(), io.MultiReader(strings.NewReader("two-"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || n != 4 || u.Size() != 8 {
		t.Fatalf("append = %d, %v, size %d, want 4, %v, 8", n, err, u.Size(), broken)
	}
	n, err = u.Append(t.Context(), iotest.OneByteReader(iotest.DataErrReader(strings.NewReader("three"))))
	if err != nil || n != 5 {
		t.Fatalf("append = %d, %v, want 5", n, err)
	}
	closeUpload(t, u)
	if _, err := openUpload(t, s, "u").Commit(t.Context(), "a"); err != nil {
		t.Fatalf("commit: %v", err)
	}
	wantContent(t, s, "a", "one-two-three", storage.Live)
}

func tryContent(t *testing.T, s storage.Store) {
	u := newUpload(t, s, "u", "")
	want := ""
	for _, piece := range []string{"", "abc", strings.Repeat("d", 400_000), "e"} {
		appendTo(t, u, piece)
		want += piece
		for range 2 {
			r, err := u.Content(t.Context())
			if err != nil {
				t.Fatalf("content: %v", err)
			}
			got, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil || string(got) != want {
				t.Fatalf("content = %d bytes, %v, want %d", len(got), err, len(want))
			}
		}
	}
}

func tryStatUpload(t *testing.T, s storage.Store) {
	before := time.Now().Add(-2 * time.Second)
	u := newUpload(t, s, "u", "label")
	appendTo(t, u, "12345")
	session, label, err := s.StatUpload(t.Context(), "u")
	if err != nil || session.ID != "u" || session.Size != 5 || string(label) != "label" {
		t.Errorf("stat = %+v, %q, %v, want u of 5 bytes with its label", session, label, err)
	}
	if session.Begun.Before(before) || session.Begun.After(time.Now().Add(2*time.Second)) {
		t.Errorf("begun at %v, want now", session.Begun)
	}
}

func tryState(t *testing.T, s storage.Store) {
	u := newUpload(t, s, "u", "")
	if state := u.State(); state != nil {
		t.Errorf("state of a new session = %q, want none", state)
	}
	for _, state := range []string{"first", "second\x00", strings.Repeat("s", 10_000)} {
		appendTo(t, u, "piece")
		if err := u.SaveState(t.Context(), []byte(state)); err != nil {
			t.Fatalf("save state: %v", err)
		}
		closeUpload(t, u)
		u = openUpload(t, s, "u")
		// It may be lost, but not replaced by another one.
		if got := u.State(); got != nil && string(got) != state {
			t.Errorf("state = %q, want %q or none", brief(got), brief([]byte(state)))
		}
	}
}

func tryStateStale(t *testing.T, s storage.Store) {
	u := newUpload(t, s, "u", "")
	appendTo(t, u, "one")
	if err := u.SaveState(t.Context(), []byte("state")); err != nil {
		t.Fatalf("save state: %v", err)
	}
	appendTo(t, u, "two")
	if state := u.State(); state != nil {
		t.Errorf("state after an append = %q, want none", state)
	}
	closeUpload(t, u)
	if state := openUpload(t, s, "u").State(); state != nil {
		t.Errorf("state when it is resumed = %q, want none", state)
	}
}

func tryCommit(t *testing.T, s storage.Store) {
	u := newUpload(t, s, "u", "")
	appendTo(t, u, "data")
	info, err := u.Commit(t.Context(), "a/b/c")
	if err != nil || info.Size != 4 || info.State != storage.Live {
		t.Errorf("commit = %+v, %v, want 4 bytes, live", info, err)
	}
	wantContent(t, s, "a/b/c", "data", storage.Live)
	wantNames(t, s, "", storage.ListOptions{Deep: true}, "a/b/c")
	closeUpload(t, u)
	wantEnded(t, s, "u")
}

func wantEnded(t *testing.T, s storage.Store, id string) {
	t.Helper()
	_, _, err := s.StatUpload(t.Context(), id)
	wantError(t, "stat of an ended session", err, storage.ErrNotExist)
	_, err = s.OpenUpload(t.Context(), id)
	wantError(t, "open of an ended session", err, storage.ErrNotExist)
	if slices.Contains(sessionIDs(t, s), id) {
		t.Errorf("the ended session %s is listed", id)
	}
}

func tryCommitEmpty(t *testing.T, s storage.Store) {
	if _, err := newUpload(t, s, "u", "").Commit(t.Context(), "a"); err != nil {
		t.Fatalf("commit: %v", err)
	}
	wantContent(t, s, "a", "", storage.Live)
}

func tryCommitAgain(t *testing.T, s storage.Store) {
	for _, before := range []func(){
		func() {},
		func() {},
		func() { condemn(t, s, "a") },
		func() { remove(t, s, "a") },
	} {
		before()
		u := newUpload(t, s, "u", "")
		appendTo(t, u, "data")
		if _, err := u.Commit(t.Context(), "a"); err != nil {
			t.Fatalf("commit: %v", err)
		}
		closeUpload(t, u)
		wantContent(t, s, "a", "data", storage.Live)
		if got := condemnedKeys(t, s, ""); len(got) > 0 {
			t.Errorf("condemned are %q, want none", got)
		}
	}
}

func tryCommitTogether(t *testing.T, s storage.Store) {
	data := strings.Repeat("d", 100_000)
	race(6, func(i int) {
		id := "u" + strconv.Itoa(i)
		if err := s.CreateUpload(t.Context(), id, nil); err != nil {
			t.Errorf("create: %v", err)
			return
		}
		u, err := s.OpenUpload(t.Context(), id)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer u.Close()
		if _, err := u.Append(t.Context(), strings.NewReader(data)); err != nil {
			t.Errorf("append: %v", err)
		}
		if _, err := u.Commit(t.Context(), "a"); err != nil {
			t.Errorf("commit: %v", err)
		}
		if got := readAll(t, s, "a"); got != data {
			t.Errorf("object after my commit has %d bytes, want %d", len(got), len(data))
		}
	})
	wantContent(t, s, "a", data, storage.Live)
	if got := sessionIDs(t, s); len(got) > 0 {
		t.Errorf("sessions are %q, want none", got)
	}
}

// tryCommitThenAppend misuses the session: whatever that answers, the object must not change.
func tryCommitThenAppend(t *testing.T, s storage.Store) {
	u := newUpload(t, s, "u", "")
	appendTo(t, u, "data")
	if _, err := u.Commit(t.Context(), "a"); err != nil {
		t.Fatalf("commit: %v", err)
	}
	if _, err := u.Append(t.Context(), strings.NewReader("more")); err == nil {
		t.Error("append after commit: no error, want one")
	}
	wantContent(t, s, "a", "data", storage.Live)
}

func tryCancel(t *testing.T, s storage.Store) {
	u := newUpload(t, s, "u", "")
	appendTo(t, u, "data")
	if err := u.Cancel(t.Context()); err != nil {
		t.Fatalf("cancel: %v", err)
	}
	closeUpload(t, u)
	wantEnded(t, s, "u")
	wantNames(t, s, "", storage.ListOptions{Deep: true})
}

func tryCloseAgain(t *testing.T, s storage.Store) {
	for i, end := range []func(u storage.Upload) error{
		func(storage.Upload) error { return nil },
		func(u storage.Upload) error { _, err := u.Commit(t.Context(), "a"); return err },
		func(u storage.Upload) error { return u.Cancel(t.Context()) },
	} {
		u := newUpload(t, s, "u"+strconv.Itoa(i), "")
		wantError(t, "end", end(u), nil)
		for range 3 {
			wantError(t, "close", u.Close(), nil)
		}
	}
}

// tryOneWriter gives the second writer little patience of its own, for a Store may have much.
func tryOneWriter(t *testing.T, s storage.Store) {
	first := newUpload(t, s, "u", "")
	appendTo(t, first, "one")

	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.OpenUpload(impatient, "u"); !errors.Is(err, storage.ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("open by a second writer: %v, want %v or the end of the context", err, storage.ErrBusy)
	}

	opened := make(chan storage.Upload)
	go func() { // ends when the session is open, or the test
		u, err := s.OpenUpload(t.Context(), "u")
		if err != nil {
			t.Errorf("open by a waiting writer: %v", err)
		}
		opened <- u
	}()
	appendTo(t, first, "two")
	closeUpload(t, first)
	second := <-opened
	if second == nil {
		return
	}
	defer second.Close()
	if second.Size() != 6 {
		t.Errorf("the second writer begins at %d, want 6", second.Size())
	}
}

func tryWaitForEnded(t *testing.T, s storage.Store) {
	for i, end := range []func(u storage.Upload) error{
		func(u storage.Upload) error { _, err := u.Commit(t.Context(), "a"); return err },
		func(u storage.Upload) error { return u.Cancel(t.Context()) },
	} {
		id := "u" + strconv.Itoa(i)
		first := newUpload(t, s, id, "")
		told := make(chan error)
		go func() { // ends when it was told
			u, err := s.OpenUpload(t.Context(), id)
			if err == nil {
				u.Close()
			}
			told <- err
		}()
		wantError(t, "end", end(first), nil)
		closeUpload(t, first)
		wantError(t, "open by a waiting writer", <-told, storage.ErrNotExist)
	}
}

func tryListUploads(t *testing.T, s storage.Store) {
	for _, id := range []string{"b", "a", "c"} {
		appendTo(t, newUpload(t, s, id, "label"), id)
	}
	for _, session := range collect(t, "list uploads", s.ListUploads(t.Context())) {
		if session.Size != 1 || session.Begun.IsZero() {
			t.Errorf("session = %+v, want one byte and a time", session)
		}
	}
	if got := sessionIDs(t, s); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("sessions are %q, want a, b, c", got)
	}
}

func trySessionsApart(t *testing.T, s storage.Store) {
	race(6, func(i int) {
		id := "u" + strconv.Itoa(i)
		data := bytes.Repeat([]byte{byte('a' + i)}, 50_000+i)
		if err := s.CreateUpload(t.Context(), id, []byte(id)); err != nil {
			t.Errorf("create: %v", err)
			return
		}
		u, err := s.OpenUpload(t.Context(), id)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer u.Close()
		for piece := range slices.Chunk(data, 7_000) {
			if _, err := u.Append(t.Context(), bytes.NewReader(piece)); err != nil {
				t.Errorf("append: %v", err)
			}
		}
		if _, err := u.Commit(t.Context(), "objects/"+id); err != nil {
			t.Errorf("commit: %v", err)
		}
		wantContent(t, s, "objects/"+id, string(data), storage.Live)
	})
}
