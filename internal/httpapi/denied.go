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

// denied is the error of a request that was denied. A mount is also denied if its source may not be pulled;
// then it goes on as the start of an upload, as if the source did not hold the blob.
func (a *API) denied(ctx context.Context, req *router.Request, decision access.Decision) error {
	if req.Action == access.MountBlob && decision.Asked.Action != access.MountBlob {
		return a.authorizeUpload(ctx, req)
	}
	if decision.Denial == access.Hidden && req.Action == access.GetReferrers {
		req.Hidden = true // a manifest that does not exist has no referrers
		return nil
	}
	if decision.Denial == access.Hidden {
		return fmt.Errorf("%w (hidden)", absent(req.Action))
	}
	return &deniedError{denial: decision.Denial}
}

// authorizeUpload turns a mount that cannot be made into the start of an upload, and asks whether that is
// allowed.
func (a *API) authorizeUpload(ctx context.Context, req *router.Request) error {
	req.Action, req.From, req.Digest = access.StartUpload, oci.Name{}, oci.Digest{}
	decision := a.Authorizer.Authorize(ctx, &req.Question)
	if decision.Allowed {
		return nil
	}
	if decision.Err != nil {
		return fmt.Errorf("authorize: %w", decision.Err)
	}
	return a.denied(ctx, req, decision)
}

// checkVersion refuses two requests whatever the policy says, because clients sign in by this request alone:
// one with a credential that nothing accepted, so that a sign-in with a wrong password fails; and one of a
// client that could sign in and has not, which is told how.
func (a *API) checkVersion(r *http.Request, req *router.Request) error {
	if req.SignIn.Rejected {
		return &deniedError{denial: access.Unauthenticated}
	}
	if req.Question.Identity.Anonymous() && !req.SignIn.Token && a.SignIn.Challenge(r, req.Request) != "" {
		return errChallenge
	}
	return nil
}

// absent is the error of a request whose target does not exist.
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
