package authn

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/access"
)

// What a request may be refused for before anybody asks what it may do, in the words of access.
var (
	// errTwoCredentials is a request with more than one Authorization header: proxies before us may have
	// looked at the other one.
	errTwoCredentials = fmt.Errorf("%w: there is more than one Authorization header, send one", access.ErrCredentialForm)
	// errTwoClients is a request whose proxies disagree about who sent it.
	errTwoClients = fmt.Errorf("%w: the headers Forwarded and X-Forwarded-For name different clients; the proxy must remove the one that it does not write", access.ErrCredentialForm)
	// errTokenRequest is a request to /token that is none.
	errTokenRequest = fmt.Errorf("%w: invalid token request", access.ErrCredentialForm)
	// errTooLarge is a credential that no method would read.
	errTooLarge = fmt.Errorf("%w: it is over %d KiB; ask the provider for a token with fewer claims", access.ErrCredentialTooLarge, maxCredential>>10)
)

// invalid is an access.ErrInvalidCredentials that says why, without telling anything of the credential.
func invalid(reason string) error { return fmt.Errorf("%w: %s", access.ErrInvalidCredentials, reason) }

// rejection is why one method cannot use a credential. Its text is ours alone: a client may read it.
type rejection string

func (r rejection) Error() string { return string(r) }

const (
	errScheme      rejection = "the scheme is neither Basic nor Bearer"
	errMalformed   rejection = "the Authorization header is malformed"
	errPassword    rejection = "wrong user name or password"
	errToken       rejection = "the token is not known here"
	errTokenForm   rejection = "the token is malformed or signed in a way that is not allowed"
	errSignature   rejection = "the token's signature is not that of its provider"
	errIssuer      rejection = "the token is of another issuer"
	errAudience    rejection = "the token is for another audience"
	errExpired     rejection = "the token is expired"
	errRevoked     rejection = "the token was revoked"
	errNotYet      rejection = "the token is not valid yet"
	errNoEnd       rejection = "the token has no expiry"
	errNoSubject   rejection = "the token has no subject"
	errClaim       rejection = "the token lacks a required claim"
	errUserGone    rejection = "the token's user has changed or is gone"
	errProvider    rejection = "the token's provider has changed or is gone"
	errUnavailable rejection = "the keys of the token's provider cannot be reached"
	errCertificate rejection = "the client certificate is expired"
)
