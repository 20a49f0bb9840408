package memory

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/tidwall/btree"

	"github.com/sreg-project/sreg/internal/storage"
)

// pageSize is how many names are looked up at once, so that nobody waits for a listing and a listing for
// nobody.
const pageSize = 128

// List finds its place in the map, and jumps over folders: a page costs the page.
func (s *Store) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	return func(yield func(storage.Entry, error) bool) {
		s.walk(ctx, &s.live, prefix, opts, func(name string, err error) bool {
			return yield(storage.Entry{Name: name}, err)
		})
	}
}

// walk yields the names of a map, page by page, until yield says no. It ends after the first error.
func (s *Store) walk(ctx context.Context, objects *btree.Map[string, *object], prefix string, opts storage.ListOptions, yield func(string, error) bool) {
	for {
		top, err := folder(ctx, prefix)
		if err != nil {
			yield("", fmt.Errorf("list objects: %w", err))
			return
		}
		names := s.page(objects, top, opts)
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
		if len(names) < pageSize {
			return
		}
		opts.After = names[len(names)-1]
	}
}

// folder is how the keys below a prefix begin.
func folder(ctx context.Context, prefix string) (top string, err error) {
	if err := ctx.Err(); err != nil || prefix == "" {
		return "", err
	}
	return prefix + "/", storage.CheckKey(prefix)
}

// page is the names of a map that come next, relative to the folder.
func (s *Store) page(objects *btree.Map[string, *object], top string, opts storage.ListOptions) (names []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	keys := objects.Iter()
	for more := keys.Seek(top + opts.After); more && len(names) < pageSize; {
		name, below := strings.CutPrefix(keys.Key(), top)
		if !below {
			break
		}
		slash := strings.IndexByte(name, '/')
		if slash >= 0 && !opts.Deep {
			name = name[:slash+1]
			more = keys.Seek(top + name[:slash] + "0") // the first key behind all that begin with the slash
		} else {
			more = keys.Next()
		}
		if name > opts.After {
			names = append(names, name)
		}
	}
	return names
}
