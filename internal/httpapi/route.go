package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/access"
)

// Serves says which groups of routes a listener answers.
type Serves struct {
	API     bool // everything under /v2/, and the root
	Health  bool
	Metrics bool
	Pprof   bool
}

// route is one line of the table: a resource and a method, the action that is asked for, and who
// answers.
type route struct {
	resource resource
	method   string
	action   access.Action
	handle   handler
}

// resource is what a path names.
type resource uint8

const (
	rootResource resource = iota
	versionResource
	catalogResource
	tagsResource
	manifestResource
	blobResource
	uploadsResource
	uploadResource
	referrersResource
	tokenResource
	healthzResource
	readyzResource
	metricsResource
	pprofResource
)

// routes is the route table. A HEAD is its GET.
var routes = []route{
	{rootResource, http.MethodGet, access.Root, (*API).root},
	{versionResource, http.MethodGet, access.GetAPIVersion, (*API).getVersion},
	{catalogResource, http.MethodGet, access.ListCatalog, (*API).listCatalog},
	{tagsResource, http.MethodGet, access.ListTags, (*API).listTags},
	{manifestResource, http.MethodGet, access.GetManifest, (*API).getManifest},
	{manifestResource, http.MethodPut, access.PutManifest, (*API).putManifest},
	{manifestResource, http.MethodDelete, access.DeleteManifest, (*API).deleteManifest},
	{blobResource, http.MethodGet, access.GetBlob, (*API).getBlob},
	{blobResource, http.MethodDelete, access.DeleteBlob, (*API).deleteBlob},
	{uploadsResource, http.MethodPost, access.StartUpload, (*API).startUpload},
	{uploadResource, http.MethodGet, access.GetUpload, (*API).getUpload},
	{uploadResource, http.MethodPatch, access.UpdateUpload, (*API).updateUpload},
	{uploadResource, http.MethodPut, access.CompleteUpload, (*API).completeUpload},
	{uploadResource, http.MethodDelete, access.CancelUpload, (*API).cancelUpload},
	{referrersResource, http.MethodGet, access.GetReferrers, (*API).getReferrers},
	{tokenResource, http.MethodGet, access.GetToken, (*API).getToken},
	{tokenResource, http.MethodPost, access.GetToken, (*API).getToken},
	{healthzResource, http.MethodGet, access.Healthz, (*API).healthz},
	{readyzResource, http.MethodGet, access.Readyz, (*API).readyz},
	{metricsResource, http.MethodGet, access.Metrics, (*API).exposeMetrics},
	{pprofResource, http.MethodGet, access.Pprof, (*API).profile},
}

var errNoRoute = errors.New("nothing is here")

// methodError says that a resource does not have a method.
type methodError struct {
	method  string
	allowed []string
}

func (e *methodError) Error() string {
	return fmt.Sprintf("method %s is not supported here, use one of %s", e.method, strings.Join(e.allowed, ", "))
}

// route finds the line of the table and parses the request, once for everybody behind it.
func (a *API) route(r *http.Request, serves Serves, req *access.Request) (route, error) {
	path, err := split(r, serves)
	if err != nil {
		return route{}, err
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for i := range routes {
		if routes[i].resource != path.resource || routes[i].method != method {
			continue
		}
		req.Action = routes[i].action
		return routes[i], parse(r, path, req)
	}
	return route{}, &methodError{method: r.Method, allowed: methodsOf(path.resource)}
}

func methodsOf(resource resource) []string {
	var methods []string
	for _, route := range routes {
		if route.resource != resource {
			continue
		}
		methods = append(methods, route.method)
		if route.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return methods
}

// location is a path, split and not parsed yet.
type location struct {
	resource  resource
	named     bool // the path has a namespace, however malformed
	namespace string
	last      string // reference, digest or session
}

func split(r *http.Request, serves Serves) (location, error) {
	path := r.URL.Path
	// A slash that a client hides from the proxies before us by encoding it is not a slash here.
	if r.URL.RawPath != "" && strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
		return location{}, errNoRoute
	}
	rest, api := strings.CutPrefix(path, "/v2/")
	switch {
	case api && serves.API:
		return splitAPI(rest)
	case (path == "/" || path == "") && serves.API:
		return location{resource: rootResource}, nil
	case path == "/v2" && serves.API:
		return location{resource: versionResource}, nil
	case path == "/token" && serves.API:
		return location{resource: tokenResource}, nil
	case (path == "/healthz" || path == "/health") && serves.Health:
		return location{resource: healthzResource}, nil
	case path == "/readyz" && serves.Health:
		return location{resource: readyzResource}, nil
	case path == "/metrics" && serves.Metrics:
		return location{resource: metricsResource}, nil
	case strings.HasPrefix(path, "/debug/pprof/") && serves.Pprof:
		return location{resource: pprofResource, last: strings.TrimPrefix(path, "/debug/pprof/")}, nil
	}
	return location{}, errNoRoute
}

// splitAPI reads a path from its end, because the components before are the namespace's and may be
// any word.
func splitAPI(rest string) (location, error) {
	switch rest {
	case "":
		return location{resource: versionResource}, nil
	case "_catalog":
		return location{resource: catalogResource}, nil
	}
	if name, ok := cutSuffix(rest, "/blobs/uploads/", "/blobs/uploads"); ok {
		return location{resource: uploadsResource, named: true, namespace: name}, nil
	}
	if name, ok := strings.CutSuffix(rest, "/tags/list"); ok {
		return location{resource: tagsResource, named: true, namespace: name}, nil
	}
	before, last, ok := cutLast(rest)
	if !ok || last == "" {
		return location{}, errNoRoute
	}
	if name, ok := strings.CutSuffix(before, "/blobs/uploads"); ok {
		return location{resource: uploadResource, named: true, namespace: name, last: last}, nil
	}
	name, kind, ok := cutLast(before)
	if !ok {
		return location{}, errNoRoute
	}
	switch kind {
	case "manifests":
		return location{resource: manifestResource, named: true, namespace: name, last: last}, nil
	case "blobs":
		return location{resource: blobResource, named: true, namespace: name, last: last}, nil
	case "referrers":
		return location{resource: referrersResource, named: true, namespace: name, last: last}, nil
	}
	return location{}, errNoRoute
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
