package commands

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/spelling"
)

// repositoryFlag adds --repository, whose value is a repository or a namespace.
func repositoryFlag(io IO, from *source, cmd *cobra.Command, name *oci.Name, usage string) {
	cmd.Flags().Func("repository", usage, func(text string) (err error) {
		if *name, err = oci.ParseName(text); err != nil {
			return fmt.Errorf("%w: name a repository or a namespace, as in team or team/app", err)
		}
		return nil
	})
	completeFlag(cmd, "repository", fromStore(io, from, repositories))
}

// checkRepository refuses the name of a repository that is neither configured nor has anything in the store: it is
// misspelt, and a command that does nothing about it would look as if it had.
func (s *openedStore) checkRepository(ctx context.Context, within oci.Name) error {
	if within.IsZero() {
		return nil
	}
	known := map[string]bool{}
	for _, repository := range s.config.Repositories {
		name, err := oci.ParseName(repository.Name)
		if err == nil && name.Within(within) {
			return nil
		}
		known[repository.Name] = true
	}
	m := s.Maintenance
	if holds, err := m.HoldsAnything(ctx, within); holds || err != nil {
		return err
	}
	for _, list := range []iter.Seq2[oci.Name, error]{m.InCatalog(ctx), m.InTrash(ctx), condemnedIn(ctx, m), uploadedTo(ctx, m)} {
		for ns, err := range list {
			switch {
			case errors.Is(err, registry.ErrDamaged):
				continue // whoever works on it says so
			case err != nil:
				return err
			case ns.IsZero():
				continue
			case ns.Within(within):
				return nil
			}
			for name := ns.String(); name != "."; name = path.Dir(name) {
				known[name] = true
			}
		}
	}
	err := &usageError{
		message: fmt.Sprintf("there is no namespace %s, and none below it", within),
		hint:    "name a repository or a namespace of this store, as in team or team/app",
	}
	if near, ok := spelling.Nearest(within.String(), slices.Sorted(maps.Keys(known))); ok {
		err.hint = fmt.Sprintf("did you mean %s?", near)
	}
	return err
}

// condemnedIn are the namespaces of what is condemned.
func condemnedIn(ctx context.Context, m *registry.Maintenance) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for one, err := range m.Condemned(ctx) {
			if !yield(one.Namespace, err) {
				return
			}
		}
	}
}

// uploadedTo are the namespaces of uploads that are under way or were left.
func uploadedTo(ctx context.Context, m *registry.Maintenance) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for session, err := range m.Sessions(ctx) {
			if err != nil && session.ID != "" {
				continue
			}
			if !yield(session.Namespace, err) {
				return
			}
		}
	}
}
