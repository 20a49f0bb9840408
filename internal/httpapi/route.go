package httpapi

import (
	"net/http"
	"strings"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/router"
)

// What the paths of the distribution specification name, and those of the token service and the root.
const (
	rootResource router.Resource = iota + 1
	versionResource
	catalogResource
	tagsResource
	manifestResource
	blobResource
	uploadsResource
	uploadResource
	referrersResource
	tokenResource
)

// distribution are the routes of the registry itself.
func (a *API) distribution() router.Table {
	return router.Table{
		Routes: []router.Route{
			{Resource: rootResource, Method: http.MethodGet, Action: access.Root, Handle: a.root},
			{Resource: versionResource, Method: http.MethodGet, Action: access.GetAPIVersion, Handle: a.getVersion},
			{Resource: catalogResource, Method: http.MethodGet, Action: access.ListCatalog, Handle: a.listCatalog},
			{Resource: tagsResource, Method: http.MethodGet, Action: access.ListTags, Handle: a.listTags},
			{Resource: manifestResource, Method: http.MethodGet, Action: access.GetManifest, Handle: a.getManifest, Lean: true},
			{Resource: manifestResource, Method: http.MethodPut, Action: access.PutManifest, Handle: a.putManifest},
			{Resource: manifestResource, Method: http.MethodDelete, Action: access.DeleteManifest, Handle: a.deleteManifest},
			{Resource: blobResource, Method: http.MethodGet, Action: access.GetBlob, Handle: a.getBlob, Lean: true},
			{Resource: blobResource, Method: http.MethodDelete, Action: access.DeleteBlob, Handle: a.deleteBlob},
			{Resource: uploadsResource, Method: http.MethodPost, Action: access.StartUpload, Handle: a.startUpload, Streams: true},
			{Resource: uploadResource, Method: http.MethodGet, Action: access.GetUpload, Handle: a.getUpload},
			{Resource: uploadResource, Method: http.MethodPatch, Action: access.UpdateUpload, Handle: a.updateUpload, Streams: true},
			{Resource: uploadResource, Method: http.MethodPut, Action: access.CompleteUpload, Handle: a.completeUpload, Streams: true},
			{Resource: uploadResource, Method: http.MethodDelete, Action: access.CancelUpload, Handle: a.cancelUpload},
			{Resource: referrersResource, Method: http.MethodGet, Action: access.GetReferrers, Handle: a.getReferrers},
			{Resource: tokenResource, Method: http.MethodGet, Action: access.GetToken, Handle: a.getToken},
			{Resource: tokenResource, Method: http.MethodPost, Action: access.GetToken, Handle: a.getToken},
		},
		Split: split, Parse: parse, Header: everyAnswer, Usual: usually, Denied: a.denied, Describe: a.describe,
	}
}

func split(r *http.Request) (router.Path, bool) {
	switch path := r.URL.Path; path {
	case "/", "":
		return router.Path{Resource: rootResource}, true
	case "/v2":
		return router.Path{Resource: versionResource}, true
	case "/token":
		return router.Path{Resource: tokenResource}, true
	default:
		rest, found := strings.CutPrefix(path, "/v2/")
		if !found {
			return router.Path{}, false
		}
		return splitAPI(rest), true
	}
}

// splitAPI reads what stands behind /v2/ from its end, because the components before are the namespace's and may be
// any word.
func splitAPI(rest string) router.Path {
	switch rest {
	case "":
		return router.Path{Resource: versionResource}
	case "_catalog":
		return router.Path{Resource: catalogResource}
	}
	if name, ok := cutSuffix(rest, "/blobs/uploads/", "/blobs/uploads"); ok {
		return router.Path{Resource: uploadsResource, Named: true, Namespace: name}
	}
	if name, ok := strings.CutSuffix(rest, "/tags/list"); ok {
		return router.Path{Resource: tagsResource, Named: true, Namespace: name}
	}
	before, last, ok := cutLast(rest)
	if !ok || last == "" {
		return router.Path{}
	}
	if name, ok := strings.CutSuffix(before, "/blobs/uploads"); ok {
		return router.Path{Resource: uploadResource, Named: true, Namespace: name, Last: last}
	}
	name, kind, ok := cutLast(before)
	if !ok {
		return router.Path{}
	}
	switch kind {
	case "manifests":
		return router.Path{Resource: manifestResource, Named: true, Namespace: name, Last: last}
	case "blobs":
		return router.Path{Resource: blobResource, Named: true, Namespace: name, Last: last}
	case "referrers":
		return router.Path{Resource: referrersResource, Named: true, Namespace: name, Last: last}
	}
	return router.Path{}
}

func cutSuffix(s string, suffixes ...string) (string, bool) {
	for _, suffix := range suffixes {
		if before, ok := strings.CutSuffix(s, suffix); ok {
			return before, true
		}
	}
	return s, false
}

func cutLast(path string) (before, last string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}
