package httpapitest

import (
	"net/http"
	"net/http/httptest"
)

// InProcess is a client of a handler, without a network.
func InProcess(handler http.Handler) Client {
	return Client{HTTP: &http.Client{Transport: inProcess{handler}}, Base: "http://localhost"}
}

type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	arrived := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
	arrived.Header, arrived.ContentLength = r.Header, r.ContentLength
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, arrived)
	return w.Result(), nil
}
