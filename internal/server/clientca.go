package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// loadClientCAs makes the listeners ask for client certificates, if the section names who signs them.
func loadClientCAs(config *tls.Config, cfg TLS) error {
	switch {
	case cfg.ClientAuth == "none":
		return nil
	case cfg.ClientCAFile == "" && cfg.ClientAuth == "required":
		return hinted{
			errors.New("client certificates are required, but there is no CA to verify them with"),
			"set server.tls.client_ca_file",
		}
	case cfg.ClientCAFile == "":
		return nil
	}
	cas, err := readCAs(cfg.ClientCAFile)
	if err != nil {
		return fmt.Errorf("load the CAs of client certificates: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	for _, ca := range cas {
		config.ClientCAs.AddCert(ca)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	if cfg.ClientAuth == "required" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return nil
}

// readCAs reads one or several certificates. One that cannot be read is a mistake: leaving it out would
// lock its clients out without a word.
func readCAs(path string) (cas []*x509.Certificate, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		block, rest := pem.Decode(content)
		if block == nil && n == 0 {
			return nil, fmt.Errorf("%s has no certificate in PEM", path)
		}
		if block == nil {
			return cas, nil
		}
		content = rest
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: want certificates alone, got a %s", path, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", path, n+1, err)
		}
		cas = append(cas, certificate)
	}
}

// refusalsLogged is how many refusals a minute are logged; what comes on top is counted.
const refusalsLogged = 20

// refusals writes down why handshakes did not succeed. What an operator can act on, a client certificate
// that was refused, is a warning, as many a minute as somebody reads.
type refusals struct {
	limit      *rate.Limiter
	suppressed atomic.Int64
}

func newRefusals() *refusals {
	return &refusals{limit: rate.NewLimiter(rate.Every(time.Minute/refusalsLogged), refusalsLogged)}
}

// log writes down one handshake; required says that clients must show a certificate.
func (r *refusals) log(log *slog.Logger, client net.Addr, required bool, err error) {
	var verification *tls.CertificateVerificationError
	peer := ""
	if addr := peerOf(client.String()); addr.IsValid() {
		peer = addr.String()
	}
	attrs := []slog.Attr{slog.String("client", peer), slog.Any("error", err)}
	if !errors.As(err, &verification) && (!required || unfinished(err)) {
		log.LogAttrs(context.Background(), slog.LevelDebug, "tls handshake did not succeed", attrs...)
		return
	}
	if verification != nil && len(verification.UnverifiedCertificates) > 0 {
		shown := verification.UnverifiedCertificates[0]
		attrs = append(attrs,
			slog.String("certificate", clip(shown.Subject.String())),
			slog.String("issuer", clip(shown.Issuer.String())),
			slog.String("serial", clip(shown.SerialNumber.Text(16))))
	}
	if !r.limit.Allow() {
		r.suppressed.Add(1)
		return
	}
	if suppressed := r.suppressed.Swap(0); suppressed > 0 {
		attrs = append(attrs, slog.Int64("suppressed", suppressed))
	}
	log.LogAttrs(context.Background(), slog.LevelWarn, "client certificate refused", attrs...)
}

// unfinished says that the client left, was too slow, or does not speak TLS, so that nothing was refused.
func unfinished(err error) bool {
	var (
		network net.Error
		alert   tls.AlertError
		record  tls.RecordHeaderError
		op      *net.OpError
	)
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &network) || errors.As(err, &alert) || errors.As(err, &record) || errors.As(err, &op)
}

// clip bounds a text from a certificate, which may be of any length.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
