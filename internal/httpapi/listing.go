package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/router"
)

// maxPage is the longest page, in names. A client that asks for more, or for all, gets this many and a link
// to the next page.
const maxPage = 10000

// listTags answers with a page of tags (spec: Listing tags).
func (a *API) listTags(w *router.Response, r *http.Request, req *router.Request) error {
	n := pageSize(req)
	tags, more, err := a.Tags.ListTags(r.Context(), req.Namespace, req.Last, n)
	if err != nil {
		return err
	}
	if more {
		setNext(w, a.path+"/v2/"+req.Namespace.String()+"/tags/list", n, tags[len(tags)-1])
	}
	return writeValue(w, struct {
		Name oci.Name `json:"name"`
		Tags []string `json:"tags"`
	}{req.Namespace, tags})
}

// listCatalog answers with a page of namespaces, as the Docker registry does. It shows those whose tags the
// client may list, so a page may be short or empty and still have a next one.
func (a *API) listCatalog(w *router.Response, r *http.Request, req *router.Request) error {
	n := pageSize(req)
	from := registry.Cursor{Last: req.Last}
	if r.URL.RawQuery != "" {
		from.Sealed = r.URL.Query().Get("next") // only our own links have it
	}
	show := func(names []oci.Name, until time.Time) []bool {
		return a.Authorizer.MayList(r.Context(), &req.Question, names, until)
	}
	names, next, err := a.Catalog.Catalog(r.Context(), from, n, show)
	if err != nil {
		return err
	}
	if next != nil {
		a.setNextCatalog(w, n, *next)
	}
	return writeValue(w, struct {
		Repositories []string `json:"repositories"`
	}{names})
}

func (a *API) setNextCatalog(w *router.Response, n int, next registry.Cursor) {
	if next.Sealed == "" {
		setNext(w, a.path+"/v2/_catalog", n, next.Last)
		return
	}
	w.Set("Link", "<"+a.path+"/v2/_catalog?n="+strconv.Itoa(n)+"&next="+next.Sealed+`>; rel="next"`)
}

func pageSize(req *router.Request) int {
	if !req.HasN {
		return maxPage
	}
	return min(req.N, maxPage)
}

// setNext links to the next page (RFC 8288).
func setNext(w *router.Response, path string, n int, last string) {
	next := path + "?n=" + strconv.Itoa(n) + "&last=" + url.QueryEscape(last)
	w.Set("Link", "<"+next+`>; rel="next"`)
}

func writeValue(w *router.Response, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return writeJSON(w, text)
}

func writeJSON(w *router.Response, text []byte) error {
	header := w.Header()
	if _, typed := header["Content-Type"]; !typed {
		header["Content-Type"] = jsonType
	}
	w.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("send answer: %w", err)
	}
	return nil
}
