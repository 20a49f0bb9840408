package httpapi

import (
	"net/http"
)

var noStore = []string{"no-store"}

// getToken answers the token service: GET of the Docker token protocol, and its POST as of OAuth2.
func (a *API) getToken(w *answer, r *http.Request, _ *request) error {
	token, err := a.authenticator.Token(r)
	if err != nil {
		return err
	}
	w.Header()["Cache-Control"] = noStore
	return writeValue(w, token)
}
