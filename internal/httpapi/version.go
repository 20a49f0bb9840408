package httpapi

import (
	"net/http"

	"github.com/sreg-project/sreg/internal/access"
)

// getVersion says that this is a registry (spec: Determining Support).
func (a *API) getVersion(w *answer, _ *http.Request, _ access.Request) error {
	header := w.Header()
	header["Docker-Distribution-Api-Version"] = apiVersion
	return writeJSON(w, []byte("{}"))
}
