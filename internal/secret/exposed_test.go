package secret

import (
	"os"
	"path/filepath"
	"testing"
)

func TestExposed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name              string
		above, dir, file  os.FileMode
		readable, written bool
	}{
		{"its owner's alone", 0o755, 0o755, 0o600, false, false},
		{"its group's, too", 0o755, 0o755, 0o660, false, false},
		{"readable by all", 0o755, 0o755, 0o644, true, false},
		{"writable by all", 0o755, 0o755, 0o602, false, true},
		{"in a private folder", 0o755, 0o700, 0o666, false, false},
		{"below a private folder", 0o700, 0o755, 0o666, false, false},
		{"in a folder that all may write to", 0o755, 0o777, 0o600, false, true},
		{"in a sticky one", 0o755, 0o777 | os.ModeSticky, 0o600, false, false},
		{"in a private folder that all may replace", 0o777, 0o700, 0o600, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The folders of tests are private, which would hide all that this is about.
			top, err := os.MkdirTemp("/tmp", "sreg-exposed-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(top) })
			above, dir := filepath.Join(top, "above"), filepath.Join(top, "above", "dir")
			file, link := filepath.Join(dir, "key"), filepath.Join(top, "link")
			for _, err := range []error{
				os.MkdirAll(dir, 0o700), os.WriteFile(file, nil, 0o600), os.Symlink(file, link),
				os.Chmod(file, tt.file), os.Chmod(dir, tt.dir), os.Chmod(above, tt.above), os.Chmod(top, 0o755),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{file, link} {
				got, err := Exposed(path)
				if want := (Exposure{Readable: tt.readable, Writable: tt.written}); err != nil || got != want {
					t.Errorf("%s: got %+v, %v, want %+v", filepath.Base(path), got, err, want)
				}
			}
		})
	}
}
