package httpapi

import (
	"net/http"

	"github.com/sreg-project/sreg/internal/router"
)

var noStore = []string{"no-store"}

// getToken answers the token service: GET of the Docker token protocol, and its POST as of OAuth2.
func (a *API) getToken(w *router.Response, r *http.Request, req *router.Request) error {
	token, failed, err := a.SignIn.Token(r)
	if err == nil && failed != nil {
		err = req.RecordFailed(r.Context(), failed)
	}
	if err != nil {
		return err
	}
	w.Header()["Cache-Control"] = noStore
	return writeValue(w, token)
}
