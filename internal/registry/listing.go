package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// lookAhead is how many names of the catalog one page passes that are not shown, and lookFor how long it
// takes for that: who may see few of many gets short pages, and links that lead on.
const (
	lookAhead = 10000
	lookFor   = 2 * time.Second
)

// Catalog gives at most n namespaces behind a place in lexical order, those that show wants, and where the
// next page begins, nil if there is none. Neither tells of a name that is not shown, but that there are
// more of them than one page looks at.
func (r *Registry) Catalog(ctx context.Context, from Cursor, n int, show func(oci.Name) bool) (names []string, next *Cursor, err error) {
	names = []string{}
	if n == 0 {
		return names, nil, nil
	}
	at := from.Last
	if from.Sealed != "" {
		if at, err = r.unseal(ctx, from.Sealed); err != nil {
			return nil, nil, err
		}
	}
	until := time.Now().Add(lookFor)
	passed := 0
	for entry, err := range r.metadata.List(ctx, namespacesPrefix, storage.ListOptions{After: flatten(at)}) {
		if err != nil {
			return nil, nil, fmt.Errorf("list %s: %w", namespacesPrefix, err)
		}
		if passed == lookAhead || passed > 0 && time.Now().After(until) {
			sealed, err := r.seal(ctx, at)
			return names, &Cursor{Sealed: sealed}, err
		}
		name, err := unflatten(entry.Name)
		if err != nil {
			continue // not ours: somebody else put it there
		}
		if !show(name) {
			at = name.String()
			passed++
			continue
		}
		if len(names) == n {
			return names, &Cursor{Last: names[n-1]}, nil
		}
		at = name.String()
		names = append(names, at)
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
func (r *core) enroll(ctx context.Context, ns oci.Name) error {
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
