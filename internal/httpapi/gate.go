package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/router"
)

var errChallenge = errors.New("sign in first: the version check tells clients how")

// deniedError is a request that authorization denied.
type deniedError struct{ denial access.Denial }

func (*deniedError) Error() string { return "denied" }

// denied is the error of a request that was denied. What a mount takes its blob from is asked for, too; if
// it may not be pulled the source holds nothing, so that the answer does not tell what it holds.
func (a *API) denied(ctx context.Context, req *router.Request, decision access.Decision) error {
	if req.Action == access.MountBlob && decision.Asked.Action != access.MountBlob {
		return a.authorizeUpload(ctx, req)
	}
	if decision.Denial == access.Hidden && req.Action == access.GetReferrers {
		req.Hidden = true // what does not exist has none
		return nil
	}
	if decision.Denial == access.Hidden {
		return fmt.Errorf("%w (hidden)", absent(req.Action))
	}
	return &deniedError{denial: decision.Denial}
}

// authorizeUpload makes a mount that is none the begin of an upload, and asks for that.
func (a *API) authorizeUpload(ctx context.Context, req *router.Request) error {
	req.Action, req.From, req.Digest = access.StartUpload, oci.Name{}, oci.Digest{}
	decision := a.authorizer.Authorize(ctx, &req.Question)
	if decision.Allowed {
		return nil
	}
	return a.denied(ctx, req, decision)
}

// checkVersion keeps the edges of the version check: a credential that nothing accepted fails, so that a
// sign-in with a wrong password does; and where anybody can sign in, who has not is told how, whatever
// the policy, because clients ask nowhere else.
func (a *API) checkVersion(r *http.Request, req *router.Request) error {
	if req.SignIn.Rejected {
		return &deniedError{denial: access.Unauthenticated}
	}
	if req.Question.Identity.Anonymous() && !req.SignIn.Token && a.signIn.Challenge(r, req.Request) != "" {
		return errChallenge
	}
	return nil
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
	return router.ErrNoRoute
}
