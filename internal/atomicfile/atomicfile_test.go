package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before string
		opts   Options
		want   string
		err    error
	}{
		{name: "a new file has the content", want: "new"},
		{name: "an old file is replaced", before: "old", want: "new"},
		{name: "if absent a new file is written", opts: Options{IfAbsent: true}, want: "new"},
		{name: "if absent an old file stays", before: "old", opts: Options{IfAbsent: true}, want: "old", err: fs.ErrExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			if tt.before != "" {
				writeFile(t, path, tt.before)
			}
			err := Write(path, []byte("new"), tt.opts)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if got := readFile(t, path); got != tt.want {
				t.Errorf("got content %q, want %q", got, tt.want)
			}
			wantNames(t, filepath.Dir(path), "file")
		})
	}
}

func TestWriteInAFolderThatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := Write(filepath.Join(dir, "absent", "file"), []byte("new"), Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got error %v, want that the folder does not exist", err)
	}
	wantNames(t, dir)
}

func TestAFailedWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		opts Options
		want []string
	}{
		{name: "when the name cannot be replaced", want: []string{"taken"}},
		{name: "when the name cannot be linked", opts: Options{IfAbsent: true}, want: []string{"taken"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			taken := filepath.Join(dir, "taken")
			if err := os.MkdirAll(filepath.Join(taken, "inside"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := Write(taken, []byte("new"), tt.opts); err == nil {
				t.Fatal("got no error for a name that a folder has")
			}
			wantNames(t, dir, tt.want...)
		})
	}
}

func TestWriteBelowAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "content")
	if err := Write(filepath.Join(dir, "file", "below"), nil, Options{}); err == nil {
		t.Fatal("got no error for a folder that is a file")
	}
	wantNames(t, dir, "file")
}

func TestReadersSeeWholeContents(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	contents := [2][]byte{bytes.Repeat([]byte("a"), 64<<10), bytes.Repeat([]byte("b"), 32<<10)}
	if err := Write(path, contents[0], Options{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			if err := Write(path, contents[i%2], Options{}); err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Fatalf("got a mix of %d bytes", len(got))
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestOneOfManyWritersWinsIfAbsent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	var winners atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			err := Write(path, fmt.Append(nil, i), Options{IfAbsent: true})
			switch {
			case err == nil:
				winners.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("got error %v, want that the file exists", err)
			}
		})
	}
	wg.Wait()
	if got := winners.Load(); got != 1 {
		t.Errorf("got %d winners, want 1", got)
	}
	wantNames(t, filepath.Dir(path), "file")
}

func TestMode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		mode fs.FileMode
		want fs.FileMode
	}{
		{name: "a mode that the umask cannot narrow is taken as it is", mode: 0o600, want: 0o600},
		{name: "the owner can always read and write", mode: 0o400, want: 0o600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := Create(t.TempDir(), tt.mode)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != tt.want {
				t.Errorf("got mode %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPrepareGetsTheTemporaryFileBeforeItsContent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	err := Write(path, []byte("new"), Options{Prepare: func(f *os.File) error {
		if info, err := f.Stat(); err != nil || info.Size() != 0 {
			t.Errorf("got size %d, %v, want an empty file", info.Size(), err)
		}
		return f.Chmod(0o640)
	}})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got mode %v, %v, want the one that was given", info.Mode(), err)
	}
}

func TestWhatPrepareRefusesIsNotWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	writeFile(t, path, "old")
	err := Write(path, []byte("new"), Options{Prepare: func(*os.File) error { return fs.ErrPermission }})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got error %v, want the one of Prepare", err)
	}
	if got := readFile(t, path); got != "old" {
		t.Errorf("got content %q, want the old one", got)
	}
	wantNames(t, filepath.Dir(path), "file")
}

func TestAFullDiskIsAnError(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(full, []byte("new")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got error %v, want %v", err, syscall.ENOSPC)
	}
	if err := full.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v for a second close, want that the failed write closed the file", err)
	}
}

func TestSyncOfAClosedFileFails(t *testing.T) {
	t.Parallel()
	f, err := Create(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Sync(f); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got error %v, want that the file is closed", err)
	}
}

func TestSyncDirOfAMissingFolderFails(t *testing.T) {
	t.Parallel()
	if err := SyncDir(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want that the folder does not exist", err)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got files %v in the folder, want %v", got, want)
	}
}
