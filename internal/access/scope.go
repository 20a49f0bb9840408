package access

import (
	"slices"
	"strings"
)

// Grant is what a token is for, in the words of the Docker token protocol: repository:team/app:pull,push.
type Grant struct {
	Type    string   `json:"type"`    // repository, or registry
	Name    string   `json:"name"`    // a namespace; of a registry: catalog
	Actions []string `json:"actions"` // of a repository: pull, push, delete, or * for all; of the catalog: *
}

// ParseGrant reads one. What this registry does not know is no grant.
func ParseGrant(text string) (g Grant, ok bool) {
	first, last := strings.IndexByte(text, ':'), strings.LastIndexByte(text, ':')
	if first == last {
		return Grant{}, false
	}
	g.Type, _, _ = strings.Cut(text[:first], "(") // repository(plugin)
	g.Name = text[first+1 : last]
	for action := range strings.SplitSeq(text[last+1:], ",") {
		if slices.Contains([]string{"pull", "push", "delete", "*"}, action) && !slices.Contains(g.Actions, action) {
			g.Actions = append(g.Actions, action)
		}
	}
	return g, (g.Type == "repository" || g.Type == "registry") && len(g.Actions) > 0
}

// NeededGrant is what a token must be for to be used for a request. It is not ok for a request that no grant names: such
// a token is not for it, unless the request opens nothing.
func NeededGrant(r *Request) (g Grant, ok bool) {
	namespace := r.Namespace.String()
	switch {
	case r.Action == ListCatalog:
		return Grant{"registry", "catalog", []string{"*"}}, true
	case namespace == "":
		return Grant{}, false
	}
	switch r.Action {
	case PutManifest, StartUpload, MountBlob, GetUpload, UpdateUpload, CompleteUpload, CancelUpload:
		return Grant{"repository", namespace, []string{"pull", "push"}}, true // clients look before they push
	case DeleteManifest, DeleteBlob, Restore:
		return Grant{"repository", namespace, []string{"delete"}}, true
	}
	return Grant{"repository", namespace, []string{"pull"}}, true
}

func (g Grant) String() string { return g.Type + ":" + g.Name + ":" + strings.Join(g.Actions, ",") }

// Scope is all that a token is for. It takes away, and never gives: policy decides about what is within it. nil is
// everything.
type Scope struct{ Grants []Grant }

// ParseScope reads what a client asks for.
func ParseScope(texts []string) *Scope {
	s := &Scope{Grants: []Grant{}} // none is not the same as nil in the JSON of a token
	for _, text := range texts {
		if g, ok := ParseGrant(text); ok {
			s.Grants = append(s.Grants, g)
		}
	}
	return s
}

// Allows says whether a request is within the scope.
func (s *Scope) Allows(r *Request) bool {
	if s == nil {
		return true
	}
	needed, ok := NeededGrant(r)
	if !ok {
		return false
	}
	action := needed.Actions[len(needed.Actions)-1] // a push needs no pull
	return slices.ContainsFunc(s.Grants, func(g Grant) bool {
		return g.Type == needed.Type && g.Name == needed.Name && (slices.Contains(g.Actions, action) || slices.Contains(g.Actions, "*"))
	})
}
