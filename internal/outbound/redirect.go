package outbound

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// forAnybody are the headers that another host may see than the one that was asked. All others may be
// credentials.
var forAnybody = []string{"Accept", "Accept-Encoding", "If-Match", "If-None-Match", "If-Range", "Range", "User-Agent"}

// SameHost allows so many redirects, and only to where the first request went: scheme, host and port.
func SameHost(most int) func(next *http.Request, via []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		switch {
		case !sameHost(next.URL, via[0].URL):
			return errors.New("a redirect to another host is not followed")
		case len(via) > most:
			return fmt.Errorf("more than %d redirects are not followed", most)
		}
		return nil
	}
}

// checkRedirect asks Redirect, and takes from a request to another host what is not meant for it.
func (o Options) checkRedirect(next *http.Request, via []*http.Request) error {
	if o.Redirect == nil {
		return http.ErrUseLastResponse
	}
	if err := o.Redirect(next, via); err != nil {
		return err
	}
	if sameHost(next.URL, via[0].URL) {
		return nil
	}
	if next.Body != nil {
		return errors.New("a redirect to another host is not followed with a body")
	}
	for name := range next.Header {
		if !slices.Contains(forAnybody, name) {
			delete(next.Header, name)
		}
	}
	return nil
}

func sameHost(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }
