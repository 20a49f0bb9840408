package access

import (
	"errors"
	"net/netip"
	"time"
)

// SignIn says how an identity was found.
type SignIn struct {
	// Token says that the sender has been at the token service, so that no challenge leads further, also
	// if its identity is anonymous.
	Token bool
	// Scope is what the token is for, nil where there is no token, or one for everything.
	Scope *Scope
	// Rejected says that there was a credential and nothing accepted it; Reason is why, in words for the
	// client.
	Rejected bool
	Reason   string
	// Unavailable says that the rejected credential may be right: its provider cannot be reached.
	Unavailable bool
	// Failed is what is kept of a credential that was refused, also for a time; nil if there was none.
	Failed *SignInError
	// Until is when the first of what was accepted ends: a certificate, a token, a user. Zero is never.
	Until time.Time
}

// SignInError is the error of a credential that was refused, with what an audit log has to know of it.
type SignInError struct {
	// Username is that of a user. What is no user's name is not kept: it may be a password in the wrong field.
	Username string
	Client   netip.Addr
	Err      error
}

func (f *SignInError) Error() string { return f.Err.Error() }

func (f *SignInError) Unwrap() error { return f.Err }

// What a request may be refused for before anybody asks what it may do. The error that wraps one says
// what is wrong, in words for the client.
var (
	// ErrCredentialForm is a request whose credentials cannot be read, or that has several.
	ErrCredentialForm = errors.New("the credentials cannot be read")
	// ErrCredentialTooLarge is a credential that nothing would read.
	ErrCredentialTooLarge = errors.New("the credential is too large")
	// ErrInvalidCredentials is a credential that nothing accepts, where that matters.
	ErrInvalidCredentials = errors.New("the credentials are not valid here")
	// ErrSignInBusy says that too many passwords wait to be verified.
	ErrSignInBusy = errors.New("too many sign-ins at once, try again in a moment")
	// ErrSignInUnavailable says that nobody knows whether a token is valid, because its provider cannot be
	// reached.
	ErrSignInUnavailable = errors.New("the provider of the token cannot be reached, so nobody knows whether it is valid; try again")
	// ErrThrottled is every *ThrottledError.
	ErrThrottled = errors.New("too many wrong passwords, wait before the next attempt")
	// ErrNoTokens says that this registry makes no tokens.
	ErrNoTokens = errors.New("this registry makes no tokens, send the password with each request")
)

// ThrottledError says how long a client must wait that tried too many wrong passwords.
type ThrottledError struct{ RetryAfter time.Duration }

func (e *ThrottledError) Error() string { return ErrThrottled.Error() }

// Is makes it ErrThrottled.
func (e *ThrottledError) Is(target error) bool { return target == ErrThrottled }
