package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// lookAhead is how many names of the catalog one page looks at, and lookFor how long it takes for that:
// who may see few of many gets short pages, and links that lead on.
const (
	lookAhead = 10000
	lookFor   = 2 * time.Second
)

// Cursor is a place in the catalog: behind the name Last, which may be empty, and behind Skip more that
// were not shown. It says nothing of their names.
type Cursor struct {
	Last string
	Skip int
}

// Catalog gives at most n namespaces behind a place in lexical order, those that show wants, and where the
// next page begins, nil if there is none.
func (r *Registry) Catalog(ctx context.Context, from Cursor, n int, show func(oci.Name) bool) (names []string, next *Cursor, err error) {
	names = []string{}
	if n == 0 {
		return names, nil, nil
	}
	until := time.Now().Add(lookFor)
	skip, looked := from.Skip, 0
	at := from
	for entry, err := range r.metadata.List(ctx, namespacesPrefix, storage.ListOptions{After: flatten(from.Last)}) {
		if err != nil {
			return nil, nil, fmt.Errorf("list %s: %w", namespacesPrefix, err)
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(names) == n || looked == lookAhead || looked > 0 && time.Now().After(until) {
			return names, &at, nil
		}
		looked++
		name, err := unflatten(entry.Name)
		if err != nil || !show(name) { // not ours: somebody else put it there
			at.Skip++
			continue
		}
		names = append(names, name.String())
		at = Cursor{Last: name.String()}
	}
	return names, nil, nil
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

// enroll makes the catalog know a namespace.
func (r *Registry) enroll(ctx context.Context, ns oci.Name) error {
	key := namespaceKey(ns)
	_, err := r.metadata.Revive(ctx, key)
	if errors.Is(err, storage.ErrNotExist) {
		_, err = r.metadata.Put(ctx, key, nil, storage.PutOptions{})
	}
	if err != nil {
		return fmt.Errorf("enroll namespace %s: %w", ns, err)
	}
	return nil
}
