package authn

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"

	"github.com/sreg-project/sreg/internal/access"
)

// maxCertificates bounds how many certificates are remembered by what they say.
const maxCertificates = 1024

// certificate is what the certificate of a connection says. All requests of a connection have the same one, so its
// address in memory is the key.
func (s *State) certificate(shown *x509.Certificate) access.Certificate {
	if known, ok := s.certificates.Get(shown); ok {
		return known
	}
	read := readCertificate(shown)
	s.certificates.Put(shown, read, 1)
	return read
}

// readCertificate takes everything that a policy may ask for. The attributes of the subject keep their
// order.
func readCertificate(shown *x509.Certificate) access.Certificate {
	fingerprint := sha256.Sum256(shown.Raw)
	read := access.Certificate{
		Organizations: slices.Clone(shown.Subject.Organization),
		DNSNames:      slices.Clone(shown.DNSNames),
		Emails:        slices.Clone(shown.EmailAddresses),
		Fingerprint:   hex.EncodeToString(fingerprint[:]),
	}
	if shown.SerialNumber != nil {
		read.Serial = shown.SerialNumber.Text(16)
	}
	for _, name := range shown.Subject.Names {
		if text, ok := name.Value.(string); ok && name.Type.String() == "2.5.4.3" { // id-at-commonName
			read.CommonNames = append(read.CommonNames, text)
		}
	}
	for _, uri := range shown.URIs {
		read.URIs = append(read.URIs, uri.String())
	}
	for _, ip := range shown.IPAddresses {
		read.IPs = append(read.IPs, ip.String())
	}
	return read
}
