// Package authn finds out who asks: by client certificate, OIDC token, password or a token of its own.
// It promises that a secret is never printed, kept or compared in a way that gives it away, that what no
// method accepts leaves the request anonymous, and that its memory and its work are bounded.
// It must not know what anybody may do, nor what is asked for.
package authn
