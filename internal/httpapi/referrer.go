package httpapi

import (
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

// getReferrers answers with an index of what refers to a manifest (spec: Listing referrers).
func (a *API) getReferrers(w *router.Response, r *http.Request, req *router.Request) error {
	var all registry.Referrers
	if !req.Hidden {
		var err error
		if all, err = a.Tags.Referrers(r.Context(), req.Namespace, req.Digest); err != nil {
			return err
		}
	}
	index, next := all.Index(req.ArtifactType, req.Last)
	header := w.Header()
	header["Content-Type"] = indexType
	if req.ArtifactType != "" {
		header["Oci-Filters-Applied"] = filtersApplied
	}
	if next != "" {
		setNextReferrers(w, req, next)
	}
	return writeJSON(w, index)
}

func setNextReferrers(w *router.Response, req *router.Request, last string) {
	q := url.Values{"last": {last}}
	if req.ArtifactType != "" {
		q.Set("artifactType", req.ArtifactType)
	}
	next := "/v2/" + req.Namespace.String() + "/referrers/" + req.Digest.String() + "?" + q.Encode()
	w.Set("Link", "<"+next+`>; rel="next"`)
}
