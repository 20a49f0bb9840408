package users

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
)

func addUser(t *testing.T, name string) func(*File) error {
	hash := mustParseHash(t, fullArgon2id)
	return func(f *File) error { return f.Add(User{Name: name, Hash: hash}) }
}

func TestEditMakesAFileForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "users")
	if err := Edit(t.Context(), path, addUser(t, "alice")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, hashes("alice:A\n"), 0o600)
	wantNames(t, dir, "users")
}

func TestEditKeepsTheModeAndTheOwner(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o644, 0o666} {
		path := filepath.Join(t.TempDir(), "users")
		writeFile(t, path, "# c\n")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		uid, gid := os.Geteuid(), os.Getegid()
		if uid == 0 { // only root can give a file away
			uid, gid = 12345, 54321
			if err := os.Chown(path, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		if err := Edit(t.Context(), path, addUser(t, "alice")); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, hashes("# c\nalice:A\n"), mode)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != uid || int(owner.Gid) != gid {
			t.Errorf("got owner %d:%d, want %d:%d", owner.Uid, owner.Gid, uid, gid)
		}
	}
}

func TestEditReplacesTheTargetOfASymlink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, folder := range []string{"real", "links"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	target, link, second := filepath.Join(dir, "real", "users"), filepath.Join(dir, "links", "users"), filepath.Join(dir, "links", "second")
	writeFile(t, target, "# c\n")
	if err := errors.Join(os.Symlink("../real/users", link), os.Symlink("users", second)); err != nil {
		t.Fatal(err)
	}
	if err := Edit(t.Context(), second, addUser(t, "alice")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, target, hashes("# c\nalice:A\n"), 0o600)
	wantNames(t, filepath.Join(dir, "real"), "users")
	if to, err := os.Readlink(link); err != nil || to != "../real/users" {
		t.Errorf("got a link to %q, %v, want that it stays", to, err)
	}
}

func TestEditRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Symlink("absent", at("dangling")), os.Mkdir(at("folder"), 0o755), syscall.Mkfifo(at("pipe"), 0o600), os.Symlink("loop", at("loop"))); err != nil {
		t.Fatal(err)
	}
	writeFile(t, at("huge"), strings.Repeat("#", maxFile+1))
	for name, want := range map[string]string{
		"dangling": "is a symlink to a file that is not there",
		"folder":   "is a directory",
		"pipe":     "is not a regular file",
		"loop":     "too many links",
		"huge":     "it is over 8388608 bytes",
		"no/users": "no such file or directory",
	} {
		if err := Edit(t.Context(), at(name), addUser(t, "alice")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	wantNames(t, dir, "dangling", "folder", "huge", "loop", "pipe")
}

func TestAnEditThatIsRefusedWritesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	refused := errors.New("refused")
	change := func(f *File) error {
		return errors.Join(f.Add(User{Name: "alice", Hash: mustParseHash(t, fullArgon2id)}), refused)
	}
	if err := Edit(t.Context(), path, change); !errors.Is(err, refused) {
		t.Errorf("got %v, want the error of the change", err)
	}
	wantNames(t, filepath.Dir(path))
	writeFile(t, path, "# c\n")
	if err := Edit(t.Context(), path, change); !errors.Is(err, refused) {
		t.Errorf("got %v, want the error of the change", err)
	}
	wantFile(t, path, "# c\n", 0o600)
}

func TestAnEditThatChangesNothingKeepsTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	writeFile(t, path, sample)
	before := stat(t, path)
	if err := Edit(t.Context(), path, func(*File) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, stat(t, path)) {
		t.Error("got another file, want that it is not written")
	}
	absent := filepath.Join(t.TempDir(), "users")
	if err := Edit(t.Context(), absent, func(*File) error { return nil }); err != nil {
		t.Fatal(err)
	}
	wantNames(t, filepath.Dir(absent))
}

func TestManyWritersLoseNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before bool
	}{{"of a file that is there", true}, {"of a file that is not there yet", false}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "users")
			if tt.before {
				writeFile(t, path, "# c\n")
			}
			// flock is a matter of open files, so goroutines keep each other out as processes do.
			var wg sync.WaitGroup
			var want []string
			for i := range 50 {
				name := fmt.Sprintf("user%02d", i)
				want = append(want, name)
				wg.Go(func() {
					if err := Edit(t.Context(), path, addUser(t, name)); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			wg.Wait()
			f, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Names(); !slices.Equal(got, want) {
				t.Errorf("got %d users %q, want all 50", len(got), got)
			}
			wantNames(t, filepath.Dir(path), "users")
		})
	}
}

// TestAWriterSeesTheFileThatReplacedTheOneItWaitedFor holds the lock of a file that is replaced meanwhile.
func TestAWriterSeesTheFileThatReplacedTheOneItWaitedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	writeFile(t, path, "# old\n")
	waiting := make(chan error)
	err := Edit(t.Context(), path, func(f *File) error {
		go func() { waiting <- Edit(t.Context(), path, addUser(t, "bob")) }() // ends when it had its turn
		return f.Add(User{Name: "alice", Hash: mustParseHash(t, fullArgon2id)})
	})
	if err := errors.Join(err, <-waiting); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, hashes("# old\nalice:A\nbob:A\n"), 0o600)
}

func TestAWriterThatStandsStillIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	writeFile(t, path, "# c\n")
	synctest.Test(t, func(t *testing.T) {
		err := Edit(t.Context(), path, func(*File) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := Edit(ctx, path, addUser(t, "alice")); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
			}
			return Edit(t.Context(), path, addUser(t, "alice")) // the clock of the bubble does not wait
		})
		if !errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want %v", err, ErrBusy)
		}
	})
	wantFile(t, path, "# c\n", 0o600)
}

func wantFile(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != content {
		t.Errorf("got content\n%s\nwant\n%s", got, content)
	}
	if got := stat(t, path).Mode().Perm(); got != mode {
		t.Errorf("got mode %v, want %v", got, mode)
	}
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
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
	if !slices.Equal(got, want) {
		t.Errorf("got files %q in the folder, want %q", got, want)
	}
}
