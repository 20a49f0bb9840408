package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// A page of the catalog skips at most maxSkipped names that are not shown, and takes at most maxPageTime: a client that
// may see few of many, or of whose names a slow webhook is asked, gets short pages, each with a link to the next.
const (
	maxSkipped  = 10000
	maxPageTime = 2 * time.Second
)

// leastAsked and mostAsked are how many names at once a Show is asked about.
const (
	leastAsked = 16
	mostAsked  = 64
)

// Show decides which names of a listing are shown, in their order. When the time is over it may leave out the last
// ones. It decides about one at least, unless its context ends.
type Show func(names []oci.Name, until time.Time) []bool

// Catalog gives at most n namespaces behind a cursor in lexical order, those that are shown, and the cursor of
// the next page, nil if there is none. A client learns no name that is not shown, only that there are more of them
// than one page skips.
func (r *Registry) Catalog(ctx context.Context, from Cursor, n int, show Show) (names []string, next *Cursor, err error) {
	p := catalogPage{n: n, at: from.Last, names: []string{}, show: show, until: time.Now().Add(maxPageTime)}
	if n == 0 {
		return p.names, nil, nil
	}
	if from.Sealed != "" {
		if p.at, err = r.unseal(ctx, from.Sealed); err != nil {
			return nil, nil, err
		}
	}
	for entry, err := range r.metadata.List(ctx, namespacesPrefix, storage.ListOptions{After: flatten(p.at), Deep: true}) {
		if err != nil {
			return nil, nil, fmt.Errorf("list %s: %w", namespacesPrefix, err)
		}
		name, err := unflatten(entry.Name)
		if err != nil {
			continue // not ours: somebody else put it there
		}
		if p.waiting = append(p.waiting, name); len(p.waiting) >= p.batch() && !p.decide() {
			break
		}
	}
	if !p.full {
		p.decide()
	}
	switch err := ctx.Err(); {
	case err != nil:
		return nil, nil, fmt.Errorf("list %s: %w", namespacesPrefix, err)
	case !p.full:
		return p.names, nil, nil
	case p.more, len(p.names) > 0 && p.names[len(p.names)-1] == p.at:
		return p.names, &Cursor{Last: p.names[len(p.names)-1]}, nil
	}
	sealed, err := r.seal(ctx, p.at)
	return p.names, &Cursor{Sealed: sealed}, err
}

// catalogPage is a page that is being made.
type catalogPage struct {
	n       int
	show    Show
	until   time.Time
	names   []string
	at      string     // the last name that was decided about
	waiting []oci.Name // for a decision
	skipped int
	full    bool // and there is another name
	more    bool // which is shown
}

// batch is how many names are decided about at once: what the page has room for, and one to see whether there is more.
func (p *catalogPage) batch() int { return min(max(p.n-len(p.names)+1, leastAsked), mostAsked) }

// decide takes what is shown of the names that wait, and says whether there is room for more.
func (p *catalogPage) decide() bool {
	switch {
	case len(p.waiting) == 0:
		return true
	case p.skipped+len(p.names) > 0 && time.Now().After(p.until):
		p.full = true
		return false
	}
	shown := p.show(p.waiting, p.until)
	p.full = len(shown) < len(p.waiting)
	for i, name := range p.waiting[:len(shown)] {
		p.more = shown[i] && len(p.names) == p.n
		if p.more || p.skipped == maxSkipped {
			p.full = true
			break
		}
		p.at = name.String()
		if shown[i] {
			p.names = append(p.names, p.at)
		} else {
			p.skipped++
		}
	}
	p.waiting = p.waiting[:0]
	return !p.full
}

// page reads n names of a folder behind a name. Only one name more is looked at, so a page costs the
// page.
func (r *Registry) page(
	ctx context.Context, prefix, after string, n int, decode func(string) (string, error),
) (names []string, more bool, err error) {
	names = []string{}
	if n == 0 {
		return names, false, nil
	}
	for entry, err := range r.metadata.List(ctx, prefix, storage.ListOptions{After: after}) {
		if err != nil {
			return nil, false, fmt.Errorf("list %s: %w", prefix, err)
		}
		name, err := decode(entry.Name)
		if err != nil {
			continue // not ours: somebody else put it there
		}
		if len(names) == n {
			return names, true, nil
		}
		names = append(names, name)
	}
	return names, false, nil
}

// addToCatalog writes the catalog's entry of a namespace, or revives it.
func (r *core) addToCatalog(ctx context.Context, ns oci.Name) error {
	key := namespaceKey(ns)
	_, err := r.metadata.Revive(ctx, key)
	if errors.Is(err, storage.ErrNotExist) {
		_, err = r.metadata.Put(ctx, key, nil, storage.PutOptions{})
	}
	if err != nil {
		return fmt.Errorf("add namespace %s to the catalog: %w", ns, err)
	}
	return nil
}
