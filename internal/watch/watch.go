// Package watch tells that some files have another content than when they were looked at.
// It promises that a change is told once it has settled, through renames, symlinks and mounted volumes; where the kernel
// tells nothing, as on network file systems, it is seen by a look at intervals.
// It must not know what the files are for.
package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// most is how many bytes of a file are looked at.
const most = 16 << 20

// Look is what files were at one moment: by their paths, a sum of their content, or why they cannot be read.
type Look map[string]string

// At looks at files.
func At(files []string) Look {
	look := make(Look, len(files))
	for _, file := range files {
		look[file] = sum(file)
	}
	return look
}

func sum(file string) string {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there"
	case err == nil && !info.Mode().IsRegular():
		return info.Mode().Type().String() // to read a pipe would wait
	case err != nil:
		return err.Error()
	}
	f, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(f, most)); err != nil {
		return err.Error()
	}
	return string(hash.Sum(nil))
}

// Changed lists the files that are not the same in another look, in the order of their paths.
func (l Look) Changed(other Look) []string {
	var changed []string
	for file, sum := range l {
		if other[file] != sum {
			changed = append(changed, file)
		}
	}
	slices.Sort(changed)
	return changed
}

// Options are how long a Watcher waits.
type Options struct {
	// Settle is how long files must be the same before a change of them is told: editors write in several steps.
	Settle time.Duration
	// Poll is how often files are looked at that the kernel may tell nothing of.
	Poll time.Duration
}

// Watcher waits for changes of files. It is used by one goroutine at a time.
type Watcher struct {
	opts   Options
	kernel *fsnotify.Watcher // nil: the kernel has none to spare, and files are polled
	events <-chan fsnotify.Event
	lost   <-chan error    // why events may be missing
	paths  map[string]bool // what is of interest in the folders that are watched
}

// New makes a watcher, which Close ends.
func New(opts Options) *Watcher {
	w := &Watcher{opts: opts}
	if kernel, err := fsnotify.NewWatcher(); err == nil {
		w.kernel, w.events, w.lost = kernel, kernel.Events, kernel.Errors
	}
	return w
}

// Close ends a watcher.
func (w *Watcher) Close() error {
	if w.kernel == nil {
		return nil
	}
	return w.kernel.Close()
}

// Wait returns when the files are not what was seen, and have been the same for a while; or when asked for, or when ctx
// has ended, with its error.
func (w *Watcher) Wait(ctx context.Context, seen Look, asked <-chan os.Signal) error {
	files := slices.Collect(maps.Keys(seen))
	w.follow(files)
	due := true // a look is
	poll := time.NewTicker(w.opts.Poll)
	defer poll.Stop()
	look := time.NewTimer(0) // something may have changed since they were seen
	defer look.Stop()
	last := seen
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-asked:
			return nil
		case event := <-w.events:
			if w.paths[filepath.Clean(event.Name)] && !due { // what goes on all the time must not put off the look
				due = true
				look.Reset(w.opts.Settle)
			}
		case err := <-w.lost:
			if err != nil { // the kernel told too little
				look.Reset(0)
			}
		case <-poll.C:
			look.Reset(0)
		case <-look.C:
			due = false
			w.follow(files)
			now := At(files)
			switch {
			case maps.Equal(now, seen):
			case maps.Equal(now, last):
				return nil
			default:
				due = true
				look.Reset(w.opts.Settle)
			}
			last = now
		}
	}
}

// follow watches the folders of files, and those on the way that their symlinks lead, as they are now. A file that is
// replaced is another one, and so is a folder: what is watched for one path is what the path leads to.
func (w *Watcher) follow(files []string) {
	if w.kernel == nil {
		return
	}
	w.paths = map[string]bool{}
	for _, file := range files {
		if path, err := filepath.Abs(file); err == nil {
			addPaths(w.paths, path, 40)
		}
	}
	wanted := map[string]bool{}
	for path := range w.paths {
		wanted[filepath.Dir(path)] = true
	}
	for _, folder := range w.kernel.WatchList() {
		if !wanted[folder] {
			_ = w.kernel.Remove(folder) // gone, or polled
		}
	}
	for folder := range wanted {
		_ = w.kernel.Add(folder) // not there, or more than the kernel takes: the files are polled
	}
}

// addPaths adds a file, and each symlink on its path with what it leads to; links are followed so many times.
func addPaths(paths map[string]bool, path string, links int) {
	paths[path] = true
	for at := path; at != filepath.Dir(at); at = filepath.Dir(at) {
		target, err := os.Readlink(at)
		if err != nil || links == 0 {
			continue
		}
		paths[at] = true
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(at), target)
		}
		addPaths(paths, target+strings.TrimPrefix(path, at), links-1)
	}
}
