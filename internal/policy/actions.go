package policy

import (
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/spelling"
)

// neverAsked are actions that no policy is asked about: they open nothing, or are decided by fixed rules.
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

// unserved are actions that a later version has routes for. TestUnservedActionsHaveNoRoute.
var unserved = []access.Action{
	access.ListRevisions, access.ListUploads, access.ListHistory, access.Restore, access.ListNamespaces, access.ListTrash,
	access.Search, access.GetReport, access.UIPage, access.ListRepositories,
}

// Served reports whether this version has a route for an action.
func Served(action access.Action) bool { return !slices.Contains(unserved, action) }

// Actions are all actions that policies are asked about.
func Actions() []access.Action {
	return slices.Concat(oneNamespace, anyNamespace, allNamespaces)
}

// NeverAsked reports whether no policy is asked about an action.
func NeverAsked(action access.Action) bool { return slices.Contains(neverAsked, action) }

// ActionNames are Actions as texts.
func ActionNames() []string {
	var names []string
	for _, a := range Actions() {
		names = append(names, string(a))
	}
	return names
}

// ServedActionNames are those of ActionNames that this version has a route for: what lists and completions offer.
func ServedActionNames() []string {
	return slices.DeleteFunc(ActionNames(), func(name string) bool { return !Served(access.Action(name)) })
}

// isAction reports whether a text is an action, be policies asked about it or not.
func isAction(text string) bool {
	return slices.Contains(Actions(), access.Action(text)) || NeverAsked(access.Action(text))
}

// MeantActions says what was likely meant by a text that is no action. It is empty if nobody can tell.
func MeantActions(text string) string {
	switch strings.ToLower(text) {
	case "pull", "read":
		return "a pull is get-manifest and get-blob"
	case "push", "write":
		return "a push is put-manifest, start-upload, mount-blob, get-upload, update-upload, complete-upload and cancel-upload, " +
			"and get-manifest and get-blob, because clients look before they push"
	case "delete":
		return "a delete is delete-manifest or delete-blob"
	case "*", "all", "any":
		return "for every action say nothing of request.action"
	}
	if near, ok := spelling.Nearest(text, ActionNames()); ok {
		return "did you mean " + near + "?"
	}
	return ""
}

// OneNamespace reports whether an action always names a namespace.
func OneNamespace(action access.Action) bool { return slices.Contains(oneNamespace, action) }

// AllNamespaces reports whether an action never names a namespace.
func AllNamespaces(action access.Action) bool { return slices.Contains(allNamespaces, action) }
