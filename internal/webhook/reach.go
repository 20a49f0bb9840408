package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"

	"github.com/sreg-project/sreg/internal/setting"
)

// Reach connects to the endpoint, with a TLS handshake where the URL is https, and asks it nothing: it might take any
// question for a real one. An error names the key, below the webhook, that it is about.
func (c Config) Reach(ctx context.Context) error {
	settings, err := c.Files.Load()
	if err != nil {
		return err
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return &setting.Error{Key: "url", Err: err}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), portOf(u)))
	if err != nil {
		return &setting.Error{Key: "url", Err: err}
	}
	defer conn.Close()
	if u.Scheme != "https" {
		return nil
	}
	settings.ServerName = u.Hostname()
	if err := tls.Client(conn, settings).HandshakeContext(ctx); err != nil {
		var unknown x509.UnknownAuthorityError
		if errors.As(err, &unknown) {
			return &setting.Error{Key: "ca_file", Err: err}
		}
		return &setting.Error{Key: "url", Err: err}
	}
	return nil
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
