package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// A page of the catalog skips at most maxSkipped names that are not shown, and takes at most maxSkipTime for that: a
// client that may see few of many gets short pages, each with a link to the next.
const (
	maxSkipped  = 10000
	maxSkipTime = 2 * time.Second
)

// Catalog gives at most n namespaces behind a cursor in lexical order, those for which show is true, and the cursor of
// the next page, nil if there is none. A client learns no name that is not shown, only that there are more of them
// than one page skips.
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
	until := time.Now().Add(maxSkipTime)
	skipped := 0
	for entry, err := range r.metadata.List(ctx, namespacesPrefix, storage.ListOptions{After: flatten(at)}) {
		if err != nil {
			return nil, nil, fmt.Errorf("list %s: %w", namespacesPrefix, err)
		}
		if skipped == maxSkipped || skipped > 0 && time.Now().After(until) {
			sealed, err := r.seal(ctx, at)
			return names, &Cursor{Sealed: sealed}, err
		}
		name, err := unflatten(entry.Name)
		if err != nil {
			continue // not ours: somebody else put it there
		}
		if !show(name) {
			at = name.String()
			skipped++
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
