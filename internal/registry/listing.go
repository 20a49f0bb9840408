package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Catalog gives at most n namespaces behind last in lexical order, and says whether more follow.
func (r *Registry) Catalog(ctx context.Context, last string, n int) (names []string, more bool, err error) {
	return r.page(ctx, namespacesPrefix, flatten(last), n, func(component string) (string, error) {
		name, err := unflatten(component)
		return name.String(), err
	})
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
