package authn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// fetchTimeout bounds a whole exchange with a provider, body and redirects included.
	fetchTimeout = 10 * time.Second
	// maxAnswer bounds what a provider answers: key sets have some KiB.
	maxAnswer = 1 << 20
	// maxRedirects bounds how often a provider sends us elsewhere on the same host.
	maxRedirects = 3
)

var (
	errAnswerTooLarge = fmt.Errorf("the answer is over %d bytes", maxAnswer)
	errRedirect       = errors.New("a redirect to another host is not followed")
)

// newClient makes the client for a provider, which is not trusted with anything but its own tokens.
func newClient(cas []byte) (*http.Client, error) {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           4,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if len(cas) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(cas) {
			return nil, errors.New("ca_file has no certificate in PEM")
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{
		Transport:     bounded{transport},
		Timeout:       fetchTimeout,
		CheckRedirect: sameHost,
	}, nil
}

func readCAFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	cas, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	return cas, nil
}

func sameHost(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	if r.URL.Host != first.Host || r.URL.Scheme != first.Scheme {
		return errRedirect
	}
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	return nil
}

// bounded ends an answer that is too large, also for those who read all of it.
type bounded struct{ http.RoundTripper }

// RoundTrip is that of the transport, with a body that ends.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxAnswer}
	return answer, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read reads what is left of the bound.
func (b *boundedBody) Read(p []byte) (int, error) {
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if n > b.left {
		return b.left, errAnswerTooLarge
	}
	b.left -= n
	return n, err
}
