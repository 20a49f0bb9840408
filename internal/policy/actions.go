package policy

import (
	"slices"

	"github.com/sreg-project/sreg/internal/access"
)

// neverAsked are actions that no policy decides about: they open nothing, or are decided by fixed rules.
var neverAsked = []access.Action{
	access.GetAPIVersion, access.GetToken, access.GetSelf, access.Healthz, access.Readyz,
	access.UIAsset, access.UISignIn, access.Root, access.ACMEChallenge, access.Pprof,
}

// oneNamespace are the actions that always name a namespace, anyNamespace those that may name one, and
// allNamespaces those that never do.
var (
	oneNamespace = []access.Action{
		access.GetManifest, access.PutManifest, access.DeleteManifest, access.GetBlob, access.DeleteBlob,
		access.StartUpload, access.MountBlob, access.GetUpload, access.UpdateUpload, access.CompleteUpload,
		access.CancelUpload, access.ListTags, access.GetReferrers, access.ListRevisions, access.ListUploads,
		access.ListHistory, access.Restore,
	}
	anyNamespace  = []access.Action{access.ListNamespaces, access.ListTrash, access.Search, access.GetReport, access.UIPage}
	allNamespaces = []access.Action{access.ListCatalog, access.ListRepositories, access.Metrics}
)

// Actions are all actions that policies are asked about.
func Actions() []access.Action {
	return slices.Concat(oneNamespace, anyNamespace, allNamespaces)
}

// NeverAsked reports whether no policy decides about an action.
func NeverAsked(action access.Action) bool { return slices.Contains(neverAsked, action) }

// ActionNames are Actions as texts.
func ActionNames() []string {
	var names []string
	for _, a := range Actions() {
		names = append(names, string(a))
	}
	return names
}

// OneNamespace reports whether an action always names a namespace.
func OneNamespace(action access.Action) bool { return slices.Contains(oneNamespace, action) }

// AllNamespaces reports whether an action never names a namespace.
func AllNamespaces(action access.Action) bool { return slices.Contains(allNamespaces, action) }
