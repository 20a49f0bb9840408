package httpapi

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/router"
)

//go:embed root.html
var rootHTML string

var rootTemplate = template.Must(template.New("root").Parse(rootHTML))

// rootText is what a terminal shows.
const rootText = `This is sreg %s, a registry for container images and other OCI artifacts.

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
	page := rootPage{Version: a.Version, Host: host, URL: scheme + "://" + host + a.path + "/v2/", First: a.First}
	page.SignIn = a.SignIn.Challenge(r, &access.Request{Action: access.GetAPIVersion}) != ""
	page.Image = host + "/" + page.First.Namespace
	if page.First.Push == SignedIn && page.First.Namespace != "alpine" {
		page.First.Namespace, page.Image = "", host+"/REPOSITORY/alpine" // strangers are not told which there are
	}
	header := w.Header()
	var text bytes.Buffer
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		header.Set("Content-Type", "text/plain; charset=utf-8")
		page.write(&text)
		return writeJSON(w, text.Bytes())
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	if err := rootTemplate.Execute(&text, page); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return writeJSON(w, text.Bytes())
}

// rootPage is what the page shows.
type rootPage struct {
	Version, Host, URL string
	SignIn             bool
	First              First
	Image              string
}

// Tags is the address of the tags of the image, empty if the image is not known.
func (p rootPage) Tags() string {
	if p.First.Namespace == "" || p.First.Tags == Nobody {
		return ""
	}
	return p.curl(p.First.Tags) + p.URL + p.First.Namespace + "/tags/list"
}

// Catalog is how the catalog is read, empty if nobody may.
func (p rootPage) Catalog() string {
	if p.First.Catalog == Nobody {
		return ""
	}
	return p.curl(p.First.Catalog) + p.URL + "_catalog"
}

func (p rootPage) curl(may May) string {
	if may == SignedIn {
		return "curl -u USER "
	}
	return "curl "
}

// write is the page for a terminal.
func (p rootPage) write(w io.Writer) {
	fmt.Fprintf(w, rootText, p.Version)
	line := func(shown bool, what, command string) {
		if shown {
			fmt.Fprintf(w, "%-16s %s\n", what, command)
		}
	}
	line(p.SignIn, "Sign in:", "docker login "+p.Host)
	line(p.First.Push != Nobody, "Push an image:", "docker tag alpine "+p.Image+" && docker push "+p.Image)
	line(p.First.Pull != Nobody, "Pull it again:", "docker pull "+p.Image)
	line(p.Tags() != "", "List the tags:", p.Tags())
	line(p.Catalog() != "", "See the catalog:", p.Catalog())
}
