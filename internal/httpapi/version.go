package httpapi

import (
	"net/http"

	"github.com/sreg-project/sreg/internal/router"
)

// getVersion says that this is a registry (spec: Determining Support).
func (a *API) getVersion(w *router.Response, r *http.Request, req *router.Request) error {
	if err := a.checkVersion(r, req); err != nil {
		return err
	}
	return writeJSON(w, []byte("{}"))
}
