package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"github.com/sreg-project/sreg/internal/setting"
)

// Files name what is needed for TLS. They are part of the section of whoever connects: the struct tags are the
// single source of the keys' names and documentation.
type Files struct {
	CAFile   string `mapstructure:"ca_file" config:"file" doc:"The certificates in PEM that the server's is checked against, in place of the system's."`
	CertFile string `mapstructure:"cert_file" config:"file" doc:"The client certificate in PEM that the server is shown."`
	KeyFile  string `mapstructure:"key_file" config:"private" doc:"The private key of cert_file in PEM."`
}

// Any says that a file is named.
func (f Files) Any() bool { return f != Files{} }

// Validate reports half of a pair: the key, and the problem.
func (f Files) Validate(report func(path, problem string)) {
	if f.CertFile != "" && f.KeyFile == "" {
		report("cert_file", "there is no key for it: set key_file")
	}
	if f.KeyFile != "" && f.CertFile == "" {
		report("key_file", "there is no certificate for it: set cert_file")
	}
}

// Load reads the files. An error is a setting.Error with the name of the key.
func (f Files) Load() (*tls.Config, error) {
	roots, _, err := ReadCAs(f.CAFile)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, &setting.Error{Key: "cert_file", Err: err}
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// ReadCAs reads certificates in PEM, and returns the text, too. Without a path it is nil, which tls.Config takes
// for the CAs of the system.
func ReadCAs(path string) (roots *x509.CertPool, text []byte, err error) {
	if path == "" {
		return nil, nil, nil
	}
	if text, err = os.ReadFile(path); err != nil {
		return nil, nil, &setting.Error{Key: "ca_file", Err: err}
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, nil, setting.Errorf("ca_file", "%s holds no certificate in PEM", path)
	}
	return roots, text, nil
}
