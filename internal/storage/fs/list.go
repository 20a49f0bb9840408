package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/storage"
)

// List reads the names of a folder, or finds them in the cache, and begins behind After by binary
// search: a page costs one stat and the page while the folder stands still.
func (s *Store) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	return func(yield func(storage.Entry, error) bool) {
		if prefix != "" {
			if err := check(prefix); err != nil {
				yield(storage.Entry{}, err)
				return
			}
		}
		l := lister{ctx: ctx, s: s, opts: opts, yield: yield}
		l.folder(strings.TrimSuffix(s.path(prefix), "/"), "")
	}
}

type lister struct {
	ctx   context.Context
	s     *Store
	opts  storage.ListOptions
	yield func(storage.Entry, error) bool
}

// folder lists one folder, whose names are relative to base, and says whether to go on.
func (l *lister) folder(path, base string) bool {
	if err := l.ctx.Err(); err != nil {
		return l.fail(err)
	}
	names, err := l.s.listDir(path)
	if gone(err) {
		return true
	}
	if err != nil {
		return l.fail(err)
	}
	for i := names.search(l.from(base)); i < names.len(); i++ {
		if !l.entry(path, base, names.at(i)) {
			return false
		}
	}
	return true
}

// from is the first name in a folder that can be behind After or lead behind it.
func (l *lister) from(base string) string {
	if !strings.HasPrefix(l.opts.After, base) {
		return "" // the folder sorts behind After as a whole
	}
	after := l.opts.After[len(base):]
	if i := strings.IndexByte(after, '/'); i >= 0 && l.opts.Deep {
		return after[:i+1]
	}
	return after
}

func (l *lister) entry(path, base, name string) bool {
	full := base + name
	if base == "" && path == l.s.root && reserved(strings.TrimSuffix(name, "/")) {
		return true
	}
	if l.opts.Deep && strings.HasSuffix(name, "/") {
		return l.folder(path+"/"+strings.TrimSuffix(name, "/"), full)
	}
	if full <= l.opts.After {
		return true
	}
	return l.yield(storage.Entry{Name: full}, nil)
}

func (l *lister) fail(err error) bool {
	l.yield(storage.Entry{}, fmt.Errorf("list objects: %w", err))
	return false
}

// listDir gives the sorted names of a folder, from the cache while the folder stands still.
func (s *Store) listDir(path string) (nameList, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nameList{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	info := infoOf(&st, storage.Live)
	if cached, ok := s.names.Get(path); ok && cached.stamp == info.Stamp {
		return cached.names, nil
	}
	names, err := readNames(path)
	if err != nil {
		return nameList{}, err
	}
	// Only what was settled before it was read is kept: a change in the same tick of the clock
	// would not show in the folder's times.
	if info.Settled {
		s.names.Put(path, cachedNames{stamp: info.Stamp, names: names}, int64(names.size()+len(path)))
	}
	return names, nil
}

// readNames reads a folder; folders in it get a trailing slash, by which they sort as their keys do.
func readNames(path string) (nameList, error) {
	f, err := os.Open(path)
	if err != nil {
		return nameList{}, err
	}
	defer f.Close()
	var names []string
	for {
		entries, err := f.ReadDir(1024)
		for _, entry := range entries {
			name := entry.Name()
			if entry.IsDir() {
				name += "/"
			}
			names = append(names, name)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nameList{}, err
		}
	}
	slices.Sort(names)
	return packNames(names), nil
}
