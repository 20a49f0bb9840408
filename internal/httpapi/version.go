package httpapi

import (
	"net/http"
)

// getVersion says that this is a registry (spec: Determining Support).
func (a *API) getVersion(w *answer, _ *http.Request, _ *request) error {
	header := w.Header()
	header["Docker-Distribution-Api-Version"] = apiVersion
	return writeJSON(w, []byte("{}"))
}
