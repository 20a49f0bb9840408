package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
)

// LoadTLS reads the certificates of a TLS section. The client's server name chooses between them;
// the first serves those that name none.
func LoadTLS(cfg TLS, http2 bool) (*tls.Config, error) {
	var pairs []Certificate
	if cfg.CertFile != "" {
		pairs = append(pairs, Certificate{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile})
	}
	pairs = append(pairs, cfg.Certificates...)
	if len(pairs) == 0 {
		return nil, hinted{
			errors.New("a listener has tls: true, but there is no certificate"),
			"set server.tls.cert_file and server.tls.key_file",
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if cfg.MinVersion == "1.3" {
		config.MinVersion = tls.VersionTLS13
	}
	if http2 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	for _, pair := range pairs {
		certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load certificate %s with key %s: %w", pair.CertFile, pair.KeyFile, err)
		}
		config.Certificates = append(config.Certificates, certificate)
	}
	if err := loadClientCAs(config, cfg); err != nil {
		return nil, err
	}
	return config, nil
}

// sameTLS says whether handshakes of a are as good as those of b. Where they are, a stays in use, and with
// it the session tickets that clients hold. Another config has keys of its own for tickets, so that nobody
// resumes a session that other CAs have verified. (GetConfigForClient would give all configs those of the
// one that it belongs to.)
func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ClientAuth == b.ClientAuth && a.MinVersion == b.MinVersion && a.ClientCAs.Equal(b.ClientCAs) &&
		slices.Equal(a.NextProtos, b.NextProtos) &&
		slices.EqualFunc(a.Certificates, b.Certificates, func(a, b tls.Certificate) bool {
			return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
		})
}
