package httpapi

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/router"
)

//go:embed root.html
var rootHTML string

var rootPage = template.Must(template.New("root").Parse(rootHTML))

// rootText is what a terminal shows.
const rootText = `This is sreg %[1]s, a registry for container images and other OCI artifacts.

%[5]sPush an image:   docker tag alpine %[2]s/alpine && docker push %[2]s/alpine
Pull it again:   docker pull %[2]s/alpine
List the tags:   curl %[3]s://%[2]s%[4]s/v2/alpine/tags/list
`

// root tells a person what this is and what to type.
func (a *API) root(w *router.Response, r *http.Request, _ *router.Request) error {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if a.ExternalURL != nil {
		scheme, host = a.ExternalURL.Scheme, a.ExternalURL.Host
	}
	header := w.Header()
	var page bytes.Buffer
	signIn := a.SignIn.Challenge(r, &access.Request{Action: access.GetAPIVersion}) != ""
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		header.Set("Content-Type", "text/plain; charset=utf-8")
		login := ""
		if signIn {
			login = fmt.Sprintf("Sign in:         docker login %s\n", host)
		}
		fmt.Fprintf(&page, rootText, a.Version, host, scheme, a.path, login)
		return writeJSON(w, page.Bytes())
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	err := rootPage.Execute(&page, struct {
		Version, Host, Scheme, Path string
		SignIn                      bool
	}{a.Version, host, scheme, a.path, signIn})
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return writeJSON(w, page.Bytes())
}
