package httpapi

import (
	"iter"
	"net/http"
	"net/url"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/router"
)

var (
	indexType      = []string{oci.MediaTypeImageIndex}
	filtersApplied = []string{"artifactType"}
)

const (
	// maxIndex is the longest index of referrers, in bytes; clients read no more of one answer.
	maxIndex = 4 << 20
	// smallAnswer is what an index may have that does not wait for its turn.
	smallAnswer = 64 << 10
	// pagesAtOnce is what the longer ones have together, in bytes.
	pagesAtOnce = 32 << 20
)

// getReferrers answers with an index of what refers to a manifest (spec: Listing referrers).
func (a *API) getReferrers(w *router.Response, r *http.Request, req *router.Request) error {
	page := registry.ReferrerPage{ArtifactType: req.ArtifactType, Last: req.Last, Most: smallAnswer}
	index, next, err := page.Index(a.referrers(r, req))
	if err == nil && next != "" {
		if err := w.Wait(func() error { return a.pages.Acquire(r.Context(), maxIndex) }); err != nil {
			return err
		}
		defer a.pages.Release(maxIndex) // when it is sent
		page.Last, page.Most = next, maxIndex
		index, next, err = page.Longer(index, a.referrers(r, req))
	}
	if err != nil {
		return err
	}
	header := w.Header()
	header["Content-Type"] = indexType
	if req.ArtifactType != "" {
		header["Oci-Filters-Applied"] = filtersApplied
	}
	if next != "" {
		a.setNextReferrers(w, req, next)
	}
	return writeJSON(w, index)
}

// referrers are those that who asks may see.
func (a *API) referrers(r *http.Request, req *router.Request) iter.Seq2[registry.Referrer, error] {
	if req.Hidden {
		return func(func(registry.Referrer, error) bool) {}
	}
	return a.Tags.Referrers(r.Context(), req.Namespace, req.Digest)
}

func (a *API) setNextReferrers(w *router.Response, req *router.Request, last string) {
	q := url.Values{"last": {last}}
	if req.ArtifactType != "" {
		q.Set("artifactType", req.ArtifactType)
	}
	next := a.path + "/v2/" + req.Namespace.String() + "/referrers/" + req.Digest.String() + "?" + q.Encode()
	w.Set("Link", "<"+next+`>; rel="next"`)
}
