package registry

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/oci"
)

// rules tell what holds in a namespace: the longest configured prefix decides.
type rules struct {
	global       repositoryRules
	repositories oci.Prefixes[repositoryRules]
}

type repositoryRules struct {
	immutable func(tag string) bool // nil: the global one
	any       bool                  // whether any tag can be immutable
	redirect  *bool                 // nil: as the store of blobs says
	mirror    bool
}

func newRules(config Config, repositories []RepositoryConfig) (rules, error) {
	global, err := config.ImmutableTags.Matcher()
	if err != nil {
		return rules{}, fmt.Errorf("registry.immutable_tags: %w", err)
	}
	r := rules{global: repositoryRules{immutable: global, any: config.ImmutableTags.Enabled}, repositories: oci.Prefixes[repositoryRules]{}}
	for _, repository := range repositories {
		name, err := oci.ParseName(repository.Name)
		if err != nil {
			return rules{}, fmt.Errorf("repository %q: %w", repository.Name, err)
		}
		own := repositoryRules{redirect: repository.Redirect, mirror: repository.Mirror}
		if repository.ImmutableTags != nil {
			own.any = repository.ImmutableTags.Enabled
			if own.immutable, err = repository.ImmutableTags.Matcher(); err != nil {
				return rules{}, fmt.Errorf("repository %s: immutable_tags: %w", name, err)
			}
		}
		r.repositories[name] = own
	}
	return r, nil
}

func (r rules) listed(ns oci.Name) bool {
	_, ok := r.repositories.Of(ns)
	return ok
}

func (r rules) mirror(ns oci.Name) bool {
	own, _ := r.repositories.Of(ns)
	return own.mirror
}

// tagRules are the repository's own rules of tags, or the global ones.
func (r rules) tagRules(ns oci.Name) repositoryRules {
	if own, ok := r.repositories.Of(ns); ok && own.immutable != nil {
		return own
	}
	return r.global
}

func (r rules) immutable(ns oci.Name, tag oci.Tag) bool {
	return r.tagRules(ns).immutable(tag.String())
}

func (r rules) immutableTags(ns oci.Name) bool { return r.tagRules(ns).any }
