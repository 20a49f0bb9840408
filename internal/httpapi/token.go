package httpapi

import (
	"net/http"

	"github.com/sreg-project/sreg/internal/router"
)

var noStore = []string{"no-store"}

// getToken answers the token service: GET of the Docker token protocol, and its POST as of OAuth2.
func (a *API) getToken(w *router.Response, r *http.Request, _ *router.Request) error {
	token, err := a.SignIn.Token(r)
	if err != nil {
		return err
	}
	w.Header()["Cache-Control"] = noStore
	return writeValue(w, token)
}
