package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// TagsOf gives the tags that stand for a manifest, in lexical order and at most n of them, and says whether there are
// more. A manifest that does not exist has none.
func (r *Registry) TagsOf(ctx context.Context, ns oci.Name, d oci.Digest, n int) (tags []oci.Tag, more bool, err error) {
	for entry, err := range r.metadata.List(ctx, tagsPrefix(ns), storage.ListOptions{}) {
		if err != nil {
			return nil, false, fmt.Errorf("list tags of %s: %w", ns, err)
		}
		tag, err := unescapeTag(entry.Name)
		if err != nil {
			continue // no name of a tag
		}
		now, err := r.tag(ctx, ns, tag)
		if err != nil && !errors.Is(err, storage.ErrNotExist) {
			return nil, false, fmt.Errorf("read tag %s in %s: %w", tag, ns, err)
		}
		if err != nil || now.Digest != d {
			continue
		}
		if len(tags) == n {
			return tags, true, nil
		}
		tags = append(tags, tag)
	}
	return tags, false, nil
}
