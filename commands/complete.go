package commands

import (
	"context"
	goio "io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

const (
	// completeWithin is how long somebody who pressed the tab key waits.
	completeWithin = time.Second
	// completions is how many a shell is offered at most.
	completions = 100
)

// offer finds what of a store begins with a word.
type offer func(ctx context.Context, store *openedStore, word string) []string

// fromStore offers what the store of the flags has: in bounded time, and nothing where anything fails, for a message would
// stand in the middle of what is typed.
func fromStore(io IO, from *source, find offer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
		defer cancel()
		quiet := io
		quiet.Out, quiet.Err, quiet.ErrIsTerminal = goio.Discard, goio.Discard, false
		store, err := openStore(ctx, quiet, *from)
		if err != nil {
			return nil, none
		}
		defer store.close(&err)
		found := find(ctx, store, word)
		if slices.ContainsFunc(found, func(text string) bool { return strings.HasSuffix(text, ":") }) {
			return found, none | cobra.ShellCompDirectiveNoSpace // the tag follows
		}
		return found, none
	}
}

// firstFrom is fromStore for the one argument of a command.
func firstFrom(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, word)
	}
}

// completeFlag makes the shell offer what a function finds for a flag.
func completeFlag(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the command has no such flag
	}
}

// fromConfig offers what the config of the flags has, and nothing where it cannot be read.
func fromConfig(io IO, from *source, find func(loaded) []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		quiet := io
		quiet.Out, quiet.Err = goio.Discard, goio.Discard
		loaded, err := loadPolicies(quiet, *from)
		if err != nil {
			return nil, none
		}
		return beginningWith(word, find(loaded)), none
	}
}

// userNames are the users of the config and of its users file.
func userNames(l loaded) []string {
	known, err := l.users(IO{Err: goio.Discard})
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(known))
}

// repositoryNames are the repositories of the config.
func repositoryNames(l loaded) []string {
	names := make([]string, len(l.cfg.Repositories))
	for i, r := range l.cfg.Repositories {
		names[i] = r.Name
	}
	return names
}

// repositories are the repositories of the config and the namespaces of the store.
func repositories(ctx context.Context, store *openedStore, word string) []string {
	names := beginningWith(word, repositoryNames(loaded{cfg: store.config}))
	names = append(names, namespaces(ctx, store, word)...)
	slices.Sort(names)
	return slices.Compact(names)
}

func namespaces(ctx context.Context, store *openedStore, word string) []string {
	all := func(names []oci.Name, _ time.Time) []bool { return slices.Repeat([]bool{true}, len(names)) }
	names, _, err := store.Registry.Catalog(ctx, registry.Cursor{Last: before(word)}, completions, all)
	if err != nil {
		return nil
	}
	return beginningWith(word, names)
}

// tags are the tags of the namespace in a word, or namespaces while it has no colon.
func tags(ctx context.Context, store *openedStore, word string) []string {
	name, tag, found := strings.Cut(word, ":")
	if !found {
		names := namespaces(ctx, store, word)
		for i, name := range names {
			names[i] = name + ":"
		}
		return names
	}
	ns, err := oci.ParseName(name)
	if err != nil {
		return nil
	}
	list, _, err := store.Registry.ListTags(ctx, ns, before(tag), completions)
	if err != nil {
		return nil
	}
	for i, tag := range list {
		list[i] = name + ":" + tag
	}
	return beginningWith(word, list)
}

// trashed are the references of what can be restored.
func trashed(ctx context.Context, store *openedStore, word string) []string {
	var refs []string
	for entry, err := range store.Maintenance.Trash(ctx, oci.Name{}) {
		if ctx.Err() != nil || len(refs) == completions {
			break
		}
		ref := refOf(entry.Kind, storeRef{entry.Namespace, entry.Tag, entry.Digest})
		if err == nil && strings.HasPrefix(ref, word) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// before is a text that comes before all that begin with a word, and after nearly all that come before them.
func before(word string) string {
	if word == "" {
		return ""
	}
	last := len(word) - 1
	return word[:last] + string(word[last]-1) + "~"
}

func beginningWith(word string, texts []string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return !strings.HasPrefix(text, word) })
}
