package s3

import (
	"context"
	"iter"
	"slices"

	"github.com/sreg-project/sreg/internal/storage"
)

// List shows what is live by the length of its record. A folder of one level is looked into, because
// everything in it may have gone.
func (s *objects) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	dir, err := s.dir(prefix)
	if err != nil {
		return failed[storage.Entry](err)
	}
	l := listing{dir: dir, deep: opts.Deep, first: wholePage}
	if opts.After != "" {
		l.after = dir + opts.After
	}
	return func(yield func(storage.Entry, error) bool) {
		for page, err := range s.pages(ctx, l) {
			if err != nil {
				yield(storage.Entry{}, err)
				return
			}
			for chunk := range slices.Chunk(page.items, atOnce) {
				shown, err := s.shown(ctx, chunk)
				if err != nil {
					yield(storage.Entry{}, err)
					return
				}
				for i, it := range chunk {
					if shown[i] && it.key > l.after && !yield(storage.Entry{Name: it.key[len(dir):]}, nil) {
						return
					}
				}
			}
		}
	}
}

// shown tells for each name whether it stands for something live.
func (s *objects) shown(ctx context.Context, items []item) ([]bool, error) {
	return together(ctx, items, func(ctx context.Context, i item) (bool, error) {
		if i.folder() {
			return s.anyLive(ctx, i.key)
		}
		return i.state == live, nil
	})
}

// anyLive looks for one live object in a folder.
func (s *objects) anyLive(ctx context.Context, dir string) (bool, error) {
	for page, err := range s.pages(ctx, listing{dir: dir, deep: true, first: shortPage}) {
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page.items, func(i item) bool { return i.state == live }) {
			return true, nil
		}
	}
	return false, nil
}
