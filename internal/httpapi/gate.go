package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// Authenticator finds out who sends a request.
type Authenticator interface {
	// Authenticate reads the credentials of a request. A credential that nothing accepts is no error, unless
	// the operator wants it to be one: it leaves the identity anonymous, and the SignIn says so. Errors are
	// those of the access package, or failures of our own.
	Authenticate(r *http.Request) (access.Identity, access.SignIn, error)
	// Challenge is the WWW-Authenticate header that tells a client how to sign in for a request. It is empty
	// where nobody can.
	Challenge(r *http.Request, req *access.Request) string
	// Secure says that the client came by TLS, to us or to a proxy that we trust.
	Secure(r *http.Request) bool
	// Token answers a request to the token service: a value for JSON.
	Token(r *http.Request) (any, error)
}

// Authorizer decides who may do what.
type Authorizer interface {
	// Authorize decides about a request and all that it amounts to.
	Authorize(ctx context.Context, q *access.Question) access.Decision
	// MayList decides whether who asks for a listing is shown one of its entries.
	MayList(ctx context.Context, q *access.Question, entry oci.Name) bool
}

// request is what a handler answers: what is asked for, who asks, and by which way it came. Nothing of it
// says what anybody may do.
type request struct {
	*access.Request // that of the question
	question        access.Question
	signIn          access.SignIn
	// hidden says that who asks may not know of the namespace, and is answered as if it were empty.
	hidden bool
}

func (q *request) begin(r *http.Request) {
	q.Request = &q.question.Request
	q.Method = r.Method
}

// by is what records call who asks.
func (q *request) by() string { return q.question.Identity.Name() }

var errChallenge = errors.New("sign in first: the version check tells clients how")

// deniedError is a request that authorization denied.
type deniedError struct {
	denial access.Denial
	signIn access.SignIn
}

func (e *deniedError) Error() string {
	if e.signIn.Rejected {
		return "authentication required: " + e.signIn.Reason
	}
	return "authentication required"
}

// admit is the one door that every route goes through: who asks, and may they.
func (a *API) admit(r *http.Request, req *request, id string, serves Serves) (err error) {
	req.question.Transport = access.Transport{RequestID: id, Admin: !serves.API, Host: r.Host, URI: r.RequestURI, Proto: "http", Header: r.Header}
	if a.authenticator.Secure(r) {
		req.question.Transport.Proto = "https"
	}
	// The token service and the health of the process have no use for who asks; the token service reads
	// credentials of its own, which may be wrong.
	if req.Action != access.GetToken && req.Action != access.Healthz && req.Action != access.Readyz {
		if req.question.Identity, req.signIn, err = a.authenticator.Authenticate(r); err != nil {
			return err
		}
	}
	if req.Action == access.GetAPIVersion {
		return a.checkVersion(r, req)
	}
	return a.authorize(r.Context(), req)
}

// checkVersion keeps the edges of the version check: a credential that nothing accepted fails, so that a
// sign-in with a wrong password does; and where anybody can sign in, who has not is told how, whatever
// the policy, because clients ask nowhere else.
func (a *API) checkVersion(r *http.Request, req *request) error {
	if req.signIn.Rejected {
		return &deniedError{denial: access.Unauthenticated, signIn: req.signIn}
	}
	if req.question.Identity.Anonymous() && !req.signIn.Token && a.authenticator.Challenge(r, req.Request) != "" {
		return errChallenge
	}
	return nil
}

// authorize asks whether a request may be done. What a mount takes its blob from is asked for, too; if it
// may not be pulled the source holds nothing, so that the answer does not tell what it holds.
func (a *API) authorize(ctx context.Context, req *request) error {
	decision := a.authorizer.Authorize(ctx, &req.question)
	if decision.Allowed {
		return nil
	}
	if req.Action == access.MountBlob && decision.Asked.Action != access.MountBlob {
		return a.authorizeUpload(ctx, req)
	}
	if decision.Denial == access.Hidden && req.Action == access.GetReferrers {
		req.hidden = true // what does not exist has none
		return nil
	}
	if decision.Denial == access.Hidden {
		return fmt.Errorf("%w (hidden)", absent(req.Action))
	}
	return &deniedError{denial: decision.Denial, signIn: req.signIn}
}

// authorizeUpload makes a mount that is none the begin of an upload, and asks for that.
func (a *API) authorizeUpload(ctx context.Context, req *request) error {
	req.Action, req.From, req.Digest = access.StartUpload, oci.Name{}, oci.Digest{}
	return a.authorize(ctx, req)
}

// absent is what a request is answered if the thing does not exist.
func absent(action access.Action) error {
	switch action {
	case access.GetManifest, access.DeleteManifest:
		return registry.ErrManifestUnknown
	case access.GetBlob, access.DeleteBlob:
		return registry.ErrBlobUnknown
	case access.GetUpload, access.UpdateUpload, access.CompleteUpload, access.CancelUpload:
		return registry.ErrUploadUnknown
	case access.ListTags, access.GetReferrers, access.PutManifest, access.StartUpload, access.MountBlob:
		return registry.ErrNameUnknown
	}
	return errNoRoute
}
