package fs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/storage"
)

// mostInAFile bounds the files of the process that TestShortWrites starts, in bytes.
const mostInAFile = 64 << 10

// TestShortWrites runs itself in a process whose files cannot grow beyond a size, so that a write is cut short as on a
// full disk. Nothing of a put remains, and an upload has the bytes that it counts and no others.
func TestShortWrites(t *testing.T) {
	t.Parallel()
	const child = "SREG_TEST_SHORT_WRITES"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestShortWrites$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, output)
		}
		return
	}
	s, err := New(Config{Root: t.TempDir()}, Options{})
	if err == nil {
		err = s.Create(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: mostInAFile, Max: mostInAFile}); err != nil {
		t.Fatal(err)
	}
	tooMuch := bytes.Repeat([]byte("x"), 2*mostInAFile)
	if _, err := s.Put(t.Context(), "a/key", tooMuch, storage.PutOptions{}); err == nil {
		t.Error("an object that was written in part was put")
	}
	if _, err := s.Prepare(t.Context(), "a/key", tooMuch); err == nil {
		t.Error("an object that was written in part was prepared")
	}
	if _, err := s.Stat(t.Context(), "a/key"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("of an object that was written in part there is %v", err)
	}
	cutUpload(t, s, tooMuch)
}

// cutUpload appends what is cut short, goes on with less, and commits.
func cutUpload(t *testing.T, s *Store, tooMuch []byte) {
	t.Helper()
	if err := s.CreateUpload(t.Context(), "id", nil); err != nil {
		t.Fatal(err)
	}
	u, err := s.OpenUpload(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	want := "begin"
	if _, err := u.Append(t.Context(), bytes.NewReader([]byte(want))); err != nil {
		t.Fatal(err)
	}
	n, err := u.Append(t.Context(), bytes.NewReader(tooMuch))
	if err == nil {
		t.Error("a piece that was written in part was appended")
	}
	want += string(tooMuch[:n]) + "end"
	if _, err := u.Append(t.Context(), bytes.NewReader([]byte("end"))); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(t.Context(), "a/blob"); err != nil {
		t.Fatal(err)
	}
	r, _, err := s.Open(t.Context(), "a/blob")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want {
		t.Errorf("the upload became %d bytes, %v, want %d", len(got), err, len(want))
	}
}
