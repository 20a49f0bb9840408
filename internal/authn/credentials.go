package authn

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/sreg-project/sreg/internal/secret"
)

// maxCredential bounds an Authorization header and each token: the largest that providers make fit in.
const maxCredential = 48 << 10

// scheme is how a credential was sent.
type scheme uint8

const (
	schemeNone scheme = iota
	schemeBasic
	schemeBearer
	schemeOther     // one that we do not know
	schemeMalformed // one that cannot be read
)

// Credentials are what a request has to prove who sends it. The zero value is nothing.
type Credentials struct {
	scheme scheme
	user   string       // of Basic
	secret secret.Value // the password, or the token

	// Certificate is the client's, verified by the handshake.
	Certificate *x509.Certificate
	// Client is the address that the request came from.
	Client netip.Addr
}

// Format shows nothing of them, for every verb: fmt prints fields that are not exported without calling their own
// Format.
func (c Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "credentials ***") // a fmt.State never fails
}

// LogValue shows nothing of them.
func (c Credentials) LogValue() slog.Value { return slog.StringValue("credentials ***") }

// Password are a user name and a password.
func Password(user string, password secret.Value) Credentials {
	if user == "" && password.Reveal() == "" {
		return Credentials{}
	}
	return Credentials{scheme: schemeBasic, user: user, secret: password}
}

// readAuthorization reads the header. A malformed one is a credential that nobody accepts; two are an
// error, and so is one that is too large.
func readAuthorization(header http.Header) (Credentials, error) {
	values := header["Authorization"]
	switch {
	case len(values) == 0:
		return Credentials{}, nil
	case len(values) > 1:
		return Credentials{}, errTwoCredentials
	case len(values[0]) > maxCredential:
		return Credentials{}, errTooLarge
	}
	return parseAuthorization(values[0]), nil
}

func parseAuthorization(value string) Credentials {
	word, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimLeft(rest, " ")
	switch {
	case word == "":
		return Credentials{}
	case strings.EqualFold(word, "Basic"):
		return parseBasic(rest)
	case strings.EqualFold(word, "Bearer") && rest == "":
		return Credentials{}
	case strings.EqualFold(word, "Bearer"):
		return Credentials{scheme: schemeBearer, secret: secret.New(rest)}
	}
	return Credentials{scheme: schemeOther}
}

// parseBasic reads RFC 7617. Empty user and password are nobody: skopeo sends them when it has none.
func parseBasic(encoded string) Credentials {
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return Credentials{scheme: schemeMalformed}
	}
	user, password, ok := strings.Cut(string(decoded), ":")
	if !ok && len(decoded) > 0 {
		return Credentials{scheme: schemeMalformed}
	}
	return Password(user, secret.New(password))
}
