package config

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/server"
)

// soonest and soonestShare say when the end of a certificate is near: within a month, and within the last quarter of
// its time, so that nobody is warned of one that is renewed as often as it should be.
const (
	soonest      = 30 * day
	soonestShare = 4
	day          = 24 * time.Hour
)

// CertificateFile is a file of certificates that the configuration names.
type CertificateFile struct {
	Key, File string
	// Problem is what is wrong with the first of its certificates that is not valid now, or will not be soon; empty if
	// there is none.
	Problem string
	// Invalid says that it is not valid now.
	Invalid bool
	// Until is when the first of them ends.
	Until time.Time
}

// Certificates are the files of certificates that the configuration names and that have an effect: those shown to
// others, and CAs. What cannot be read is an error of whoever uses it.
func (c *Config) Certificates(sources Sources, now time.Time) (files []CertificateFile) {
	idle := c.Idle(sources)
	rootShape().values("", reflect.ValueOf(*c), func(key string, s *shape, v reflect.Value) {
		if !s.file || s.private || v.String() == "" || problems(idle).about(key) {
			return
		}
		if certificates := readCertificates(v.String()); len(certificates) > 0 {
			files = append(files, judge(key, v.String(), certificates, now))
		}
	})
	return files
}

// readCertificates reads the certificates of a file in PEM, as far as it has any.
func readCertificates(file string) (certificates []*x509.Certificate) {
	content, err := os.ReadFile(file)
	for block, rest := pem.Decode(content); err == nil && block != nil; block, rest = pem.Decode(rest) {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			certificates = append(certificates, certificate)
		}
	}
	return certificates
}

func judge(key, file string, certificates []*x509.Certificate, now time.Time) CertificateFile {
	f := CertificateFile{Key: key, File: file}
	for _, one := range certificates {
		if f.Until.IsZero() || one.NotAfter.Before(f.Until) {
			f.Until = one.NotAfter
		}
		problem, invalid := timeOf(one, now)
		if problem == "" || f.Invalid || f.Problem != "" && !invalid {
			continue
		}
		f.Invalid = invalid
		f.Problem = fmt.Sprintf("the certificate of %s in %s %s", subjectOf(one), file, problem)
	}
	return f
}

// timeOf says what is wrong with the time of a certificate, and what to do.
func timeOf(c *x509.Certificate, now time.Time) (problem string, invalid bool) {
	left := c.NotAfter.Sub(now)
	switch {
	case now.Before(c.NotBefore):
		return fmt.Sprintf("is not valid before %s, %s from now: look at the clock of this computer, or use one that is valid",
			inMinutes(c.NotBefore), inDays(c.NotBefore.Sub(now))), true
	case left <= 0:
		return fmt.Sprintf("ended %s ago, at %s: renew it", inDays(-left), inMinutes(c.NotAfter)), true
	case left < min(soonest, c.NotAfter.Sub(c.NotBefore)/soonestShare):
		return fmt.Sprintf("ends in %s, at %s: renew it", inDays(left), inMinutes(c.NotAfter)), false
	}
	return "", false
}

// inMinutes is a moment to the minute.
func inMinutes(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// inDays is a time in days, or in hours if it is less than two.
func inDays(d time.Duration) string {
	if d < 2*day {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d/day))
}

// subjectOf is what people know a certificate by.
func subjectOf(c *x509.Certificate) string {
	name := c.Subject.String()
	if names := namesOf(c); len(names) > 0 {
		name = strings.Join(names, ", ")
	}
	return fmt.Sprintf("%q", clipped(name))
}

// clipped bounds a text from a certificate or a CRL, which may be of any length.
func clipped(name string) string {
	const most = 100
	if len(name) > most {
		return name[:most] + "..."
	}
	return name
}

func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, address := range c.IPAddresses {
		names = append(names, address.String())
	}
	return names
}

// warnOfCertificates warns of certificates that are not valid now, or not for long, and of an external URL that no
// certificate of the server is for.
func (c *Config) warnOfCertificates(sources Sources, now time.Time, warn func(key, problem string)) {
	files := c.Certificates(sources, now)
	for _, f := range files {
		if f.Problem != "" {
			warn(f.Key, f.Problem)
		}
	}
	c.warnOfCRLs(now, warn)
	external, err := url.Parse(c.Server.ExternalURL)
	if err != nil || external.Scheme != "https" || len(c.Server.TrustedProxies) > 0 {
		return // a proxy shows its own
	}
	var names []string
	for _, f := range files {
		if !strings.HasPrefix(f.Key, "server.tls.") || !strings.HasSuffix(f.Key, "cert_file") {
			continue
		}
		shown := readCertificates(f.File)
		if len(shown) == 0 || shown[0].VerifyHostname(external.Hostname()) == nil {
			return
		}
		names = append(names, namesOf(shown[0])...)
	}
	if len(names) > 0 {
		warn("server.external_url", fmt.Sprintf("no certificate of server.tls is for %s, so clients refuse it: those there are for %s; use one with this name, or set the URL that people use",
			external.Hostname(), strings.Join(names, ", ")))
	}
}

// warnOfCRLs warns of CRLs that are past their time: what was revoked since is not in them.
func (c *Config) warnOfCRLs(now time.Time, warn func(key, problem string)) {
	file := c.Server.TLS.CRLFile
	if file == "" || !c.Server.AsksForCertificates() {
		return
	}
	lists, err := server.ReadCRLs(file)
	if err != nil {
		return // an error of the server
	}
	for _, list := range lists {
		if end := list.NextUpdate; !end.IsZero() && end.Before(now) {
			warn("server.tls.crl_file", fmt.Sprintf("the CRL of %q in %s ended %s ago, at %s: what it lists is refused as before, "+
				"and what was revoked since is not in it; get a new one", clipped(list.Issuer.String()), file, inDays(now.Sub(end)), inMinutes(end)))
		}
	}
}
