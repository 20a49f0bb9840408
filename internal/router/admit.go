package router

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sreg-project/sreg/internal/access"
)

// Authenticator finds out who sends a request.
type Authenticator interface {
	// Authenticate reads the credentials of a request. A credential that nothing accepts is no error, unless
	// the operator wants it to be one: it leaves the identity anonymous, and the SignIn says so. Errors are
	// those of the access package, or failures of our own.
	Authenticate(r *http.Request) (access.Identity, access.SignIn, error)
	// Secure says that the client came by TLS, to us or to a proxy that we trust.
	Secure(r *http.Request) bool
}

// Authorizer decides who may do what.
type Authorizer interface {
	// Authorize decides about a request, and about the other request that it includes: a mount pulls from its
	// source, too.
	Authorize(ctx context.Context, q *access.Question) access.Decision
}

// Request is what a handler answers: what is asked for, who asks, and by which way it came. Nothing of it
// says what anybody may do.
type Request struct {
	*access.Request // that of Question
	Question        access.Question
	SignIn          access.SignIn
	// Hidden says that who asks may not know of the namespace, and is answered as if it were empty.
	Hidden bool

	router *Router
}

// RecordFailed keeps a record of a sign-in that failed and is not the error of the request.
func (q *Request) RecordFailed(ctx context.Context, failed *access.SignInError) error {
	return q.router.recordFailed(ctx, q, failed)
}

func (q *Request) begin(rt *Router, r *http.Request, id string, admin bool) {
	q.router = rt
	q.Request = &q.Question.Request
	q.Method = r.Method
	q.Question.Transport = access.Transport{RequestID: id, ClientRequestID: sentID(r), Admin: admin, Host: r.Host, URI: r.RequestURI, Proto: "http", Header: r.Header}
}

// By is what records call who asks.
func (q *Request) By() string { return q.Question.Identity.Name() }

// RateError says that a user sends more requests than one may.
type RateError struct{ RetryAfter time.Duration }

func (*RateError) Error() string {
	return "this user sends too many requests: send them less often"
}

// waitOf is how long who asks must wait before the next request. Somebody who has not signed in is no user.
func (rt *Router) waitOf(who *access.Identity) time.Duration {
	// A name may be that of several sign-ins.
	user := cmp.Or(who.ID, who.Certificate.Fingerprint)
	if user == "" {
		return 0
	}
	return rt.rates.Take(user)
}

// recordFailed keeps a record of a sign-in that failed.
func (rt *Router) recordFailed(ctx context.Context, req *Request, failed *access.SignInError) error {
	if !rt.Audit.Keeps(ctx) {
		return nil
	}
	who := access.Identity{ClientIP: failed.Client}
	return rt.Audit.Keep(ctx, "sign-in failed",
		slog.String("request_id", req.Question.Transport.RequestID),
		slog.String("client_request_id", req.Question.Transport.ClientRequestID),
		slog.String("action", string(req.Action)),
		slog.String("namespace", req.Namespace.String()),
		slog.String("username", failed.Username),
		slog.String("client", who.Client()),
		slog.String("reason", failed.Error()),
	)
}

// admit decides whether the handler of a request sees it: may a page send it, who asks, and may they. Every route
// goes through it.
func (rt *Router) admit(r *http.Request, req *Request, table *Table) (err error) {
	// Health tells nothing, and changes nothing: who asks may call this registry by any name.
	health := req.Action == access.Healthz || req.Action == access.Readyz
	if !health {
		if err := rt.Origins.check(r); err != nil {
			return err
		}
	}
	if rt.Authenticator.Secure(r) {
		req.Question.Transport.Proto = "https"
	}
	// The token service and the health of the process have no use for who asks; the token service reads
	// credentials of its own, which may be wrong.
	if req.Action != access.GetToken && !health {
		req.Question.Identity, req.SignIn, err = rt.Authenticator.Authenticate(r)
		if req.SignIn.Failed != nil {
			err = cmp.Or(rt.recordFailed(r.Context(), req, req.SignIn.Failed), err)
		}
		if err != nil {
			return err
		}
		req.Question.Scope = req.SignIn.Scope
		if wait := rt.waitOf(&req.Question.Identity); wait > 0 {
			return &RateError{RetryAfter: wait}
		}
	}
	decision := rt.Authorizer.Authorize(r.Context(), &req.Question)
	if decision.Allowed {
		return nil
	}
	if decision.Err != nil {
		return fmt.Errorf("authorize: %w", decision.Err)
	}
	return table.Denied(r.Context(), req, decision)
}
