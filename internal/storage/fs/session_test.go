package fs

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

// TestTheFileOfAnEndedSessionIsUsedAgain counts files: uploads one after another need one.
func TestTheFileOfAnEndedSessionIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	var first uint64
	for _, id := range []string{"a", "b", "c"} {
		begin(t, s, id, "label of "+id)
		st, err := statFile(s.session(id) + sessionSuffix)
		if err != nil {
			t.Fatal(err)
		}
		if first == 0 {
			first = st.Ino
		}
		if st.Ino != first {
			t.Errorf("session %s has file %d, want %d", id, st.Ino, first)
		}
		end(t, s, id)
	}
	if entries, err := os.ReadDir(s.root + "/" + tempDir); err != nil || len(entries) != 1 {
		t.Errorf("%d spare files, %v, want one", len(entries), err)
	}
	s.spares.close()
	if entries, err := os.ReadDir(s.root + "/" + tempDir); err != nil || len(entries) != 0 {
		t.Errorf("%d files after the end, %v, want none", len(entries), err)
	}
}

// TestAReaderOfAnEndedSessionDoesNotSeeTheNextOne opens the file of a session before it ends, and reads
// it when it is another one's.
func TestAReaderOfAnEndedSessionDoesNotSeeTheNextOne(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	begin(t, s, "a", "a label that is long")
	early, err := os.Open(s.session("a") + sessionSuffix)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	end(t, s, "a")
	begin(t, s, "b", "short")
	if label, _, _, err := readSession(early, s.session("a")+sessionSuffix); !errors.Is(failure(err), storage.ErrNotExist) {
		t.Errorf("a reader of the ended session got %q, %v, want %v", label, err, storage.ErrNotExist)
	}
	if _, label, err := s.StatUpload(t.Context(), "b"); err != nil || string(label) != "short" {
		t.Errorf("label of the next session = %q, %v", label, err)
	}
}

// TestANewSessionHasNothingOfTheOneBefore ends a session with much state and looks at the next one.
func TestANewSessionHasNothingOfTheOneBefore(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	begin(t, s, "a", "a")
	u, err := s.OpenUpload(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := u.SaveState(t.Context(), []byte(strings.Repeat("state", 100))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(u.Cancel(t.Context()), u.Close()); err != nil {
		t.Fatal(err)
	}
	begin(t, s, "b", "a label as long as it likes to be")
	next, err := s.OpenUpload(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if next.State() != nil || next.Size() != 0 {
		t.Errorf("a new session has %d bytes and state %q, want none", next.Size(), next.State())
	}
}

func newSessions(t *testing.T) *Store {
	t.Helper()
	return openCreated(t, t.TempDir())
}

func begin(t *testing.T, s *Store, id, label string) {
	t.Helper()
	if err := s.CreateUpload(t.Context(), id, []byte(label)); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, s *Store, id string) {
	t.Helper()
	u, err := s.OpenUpload(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(u.Cancel(t.Context()), u.Close()); err != nil {
		t.Fatal(err)
	}
}
