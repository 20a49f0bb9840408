package authn

import (
	"net/http"
	"strings"
)

// Challenge is the WWW-Authenticate header of a 401: where to get a token. Without tokens, or if nobody knows the URL
// of the token service, it asks for a password, which the client sends to where it sent the request.
func (a *Authenticator) Challenge(r *http.Request, scope string) string {
	realm := a.realm(r)
	if !a.config.Token.Enabled || realm == "" {
		return `Basic realm="` + quotable(a.tokens.service) + `", charset="UTF-8"`
	}
	challenge := `Bearer realm="` + realm + `",service="` + quotable(a.tokens.service) + `"`
	if scope != "" {
		challenge += `,scope="` + quotable(scope) + `"`
	}
	return challenge
}

// realm is the URL of the token service: below the external URL, or on the host of the Host header. It is empty if
// that header is malformed.
func (a *Authenticator) realm(r *http.Request) string {
	if a.external != "" {
		return a.external + "/token"
	}
	if !isHost(r.Host) {
		return ""
	}
	scheme := "http://"
	if a.Secure(r) {
		scheme = "https://"
	}
	return scheme + r.Host + "/token"
}

// quotable leaves out what would end a quoted string of a header.
func quotable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}

// isHost says that a Host header is a name or an address with or without a port. The client wrote it; to remove
// characters from another one could make the name of somebody else's host.
func isHost(host string) bool {
	return host != "" && strings.IndexFunc(host, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune(".-_:[]", r)
	}) < 0
}
