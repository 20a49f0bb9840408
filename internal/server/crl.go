package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
)

// revocations are the certificates that CRLs list.
type revocations map[revocation]bool

// revocation is a certificate as a CRL names it: by the name of who issued it, in DER, and its serial number.
type revocation struct{ issuer, serial string }

var errRevoked = errors.New("revoked: server.tls.crl_file lists it, or a CA above it")

// loadRevocations reads the CRLs of a section; each must be signed by a CA of client certificates.
func loadRevocations(cfg TLS) (revocations, error) {
	if cfg.CRLFile == "" || cfg.ClientCAFile == "" || cfg.ClientAuth == "none" {
		return nil, nil
	}
	cas, err := readCAs(cfg.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("load the CAs of client certificates: %w", err)
	}
	lists, err := ReadCRLs(cfg.CRLFile)
	if err != nil {
		return nil, fmt.Errorf("load the CRLs: %w", err)
	}
	revoked := revocations{}
	for i, list := range lists {
		if err := verifyCRL(list, cas); err != nil {
			return nil, fmt.Errorf("load the CRLs: %s: CRL %d of %q: %w", cfg.CRLFile, i+1, clip(list.Issuer.String()), err)
		}
		issuer := string(list.RawIssuer)
		for _, entry := range list.RevokedCertificateEntries {
			revoked[revocation{issuer, entry.SerialNumber.Text(16)}] = true
		}
	}
	return revoked, nil
}

// ReadCRLs reads one CRL in DER, or one or several in PEM. One that cannot be read is a mistake: leaving it
// out would let those in that it revokes.
func ReadCRLs(path string) ([]*x509.RevocationList, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	begun := bytes.Count(content, []byte("-----BEGIN ")) // pem.Decode passes over what it cannot read
	if begun == 0 {
		list, err := x509.ParseRevocationList(content)
		if err != nil {
			return nil, fmt.Errorf("%s has no CRL in PEM or DER: %w", path, err)
		}
		return []*x509.RevocationList{list}, nil
	}
	var lists []*x509.RevocationList
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			return nil, fmt.Errorf("%s: want CRLs alone, got a %s", path, block.Type)
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: CRL %d: %w", path, len(lists)+1, err)
		}
		lists = append(lists, list)
	}
	if len(lists) != begun {
		return nil, fmt.Errorf("%s: %d of %d CRLs are no PEM: they are damaged, or cut off", path, begun-len(lists), begun)
	}
	return lists, nil
}

var (
	// deltaCRLIndicator is the extension of a CRL that has only the changes since another one.
	deltaCRLIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	// issuingDistributionPoint is the extension that says for which certificates a CRL is. It need not be
	// read: whatever the CRL lists is revoked.
	issuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// verifyCRL says whether a CA has signed a list, and whether sreg understands all of it. An entry with a
// critical extension may be about a certificate of another issuer.
func verifyCRL(list *x509.RevocationList, cas []*x509.Certificate) error {
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(deltaCRLIndicator):
			return errors.New("it is a delta CRL, with changes alone: use the whole one")
		case e.Critical && !e.Id.Equal(issuingDistributionPoint):
			return fmt.Errorf("it has the critical extension %s, which sreg does not know", e.Id)
		}
	}
	for _, entry := range list.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Critical {
				return fmt.Errorf("the entry of serial number %s has the critical extension %s, which sreg does not know: "+
					"use a CRL for one CA alone", clip(entry.SerialNumber.Text(16)), e.Id)
			}
		}
	}
	err := errors.New("its issuer is unknown: add the CA that signed it to server.tls.client_ca_file")
	for _, ca := range cas {
		if !bytes.Equal(ca.RawSubject, list.RawIssuer) {
			continue
		}
		signed := list.CheckSignatureFrom(ca)
		if signed == nil {
			return nil
		}
		err = fmt.Errorf("the CA of this name in server.tls.client_ca_file has not signed it: %w", signed)
		if ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCRLSign == 0 {
			err = errors.New("the CA of this name in server.tls.client_ca_file may not sign CRLs: its key usage has no cRLSign")
		}
	}
	return err
}

// admit says whether one of the chains of a certificate has no certificate that is revoked.
func (r revocations) admit(chains [][]*x509.Certificate) bool {
	return len(r) == 0 || slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		return !slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
			return r[revocation{string(c.RawIssuer), c.SerialNumber.Text(16)}]
		})
	})
}

// verify is for tls.Config.VerifyConnection, which is asked about sessions that are resumed, too.
func (r revocations) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 || r.admit(state.VerifiedChains) {
		return nil
	}
	return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: errRevoked}
}
