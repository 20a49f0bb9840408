package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/router"
)

var (
	errBodyLength = errors.New("the body is not as long as the headers say")
	errRange      = errors.New("the range begins behind the end")
	errContent    = errors.New("malformed Content-Range, want <first>-<last>")
)

// kinds is the only table from error to status and code. The first line that matches decides. A message
// says what to change; a line without one sends the error's own text.
var kinds = []struct {
	err     error
	status  int
	code    oci.ErrorCode
	message string
}{
	{router.ErrForeignPage, http.StatusForbidden, oci.CodeDenied, "a web page of another site may not change anything here"},
	{router.ErrForeignHost, http.StatusMisdirectedRequest, oci.CodeDenied, "without a policy this registry answers to localhost, to addresses and to server.external_url alone: use one of them, or set a policy or the URL"},
	{oci.ErrNameInvalid, http.StatusBadRequest, oci.CodeNameInvalid, ""},
	{oci.ErrTagInvalid, http.StatusBadRequest, oci.CodeTagInvalid, ""},
	{oci.ErrDigestInvalid, http.StatusBadRequest, oci.CodeDigestInvalid, ""},
	{oci.ErrUnsupportedAlgorithm, http.StatusBadRequest, oci.CodeDigestInvalid, ""},
	{oci.ErrManifestUnsupported, http.StatusBadRequest, oci.CodeManifestInvalid, ""},
	{oci.ErrManifestInvalid, http.StatusBadRequest, oci.CodeManifestInvalid, ""},
	{registry.ErrDigestMismatch, http.StatusBadRequest, oci.CodeDigestInvalid, ""},
	{errNoDigest, http.StatusBadRequest, oci.CodeDigestInvalid, ""},
	{errTagParams, http.StatusBadRequest, oci.CodeTagInvalid, ""},
	{errTooManyTags, http.StatusRequestURITooLong, oci.CodeTagInvalid, ""},
	{access.ErrTooManyTags, http.StatusForbidden, oci.CodeDenied, ""},
	{errPageSize, http.StatusBadRequest, oci.CodePaginationNumberInvalid, ""},
	{registry.ErrCursor, http.StatusBadRequest, oci.CodePaginationNumberInvalid, ""},
	{errContent, http.StatusBadRequest, oci.CodeBlobUploadInvalid, ""},
	{errBodyLength, http.StatusBadRequest, oci.CodeSizeInvalid, ""},
	{errRange, http.StatusRequestedRangeNotSatisfiable, oci.CodeRangeInvalid, ""},
	{registry.ErrTooLarge, http.StatusRequestEntityTooLarge, oci.CodeSizeInvalid, ""},
	{registry.ErrBlobUnknown, http.StatusNotFound, oci.CodeBlobUnknown, "blob unknown to this repository"},
	{registry.ErrManifestUnknown, http.StatusNotFound, oci.CodeManifestUnknown, "this repository has no such tag or manifest"},
	{registry.ErrNameUnknown, http.StatusNotFound, oci.CodeNameUnknown, "repository name not known to this registry"},
	{registry.ErrUnlisted, http.StatusNotFound, oci.CodeNameUnknown, "this registry takes only the repositories that its configuration names"},
	{registry.ErrUploadUnknown, http.StatusNotFound, oci.CodeBlobUploadUnknown, "upload unknown to this repository; begin a new one"},
	{registry.ErrLocksUnavailable, http.StatusServiceUnavailable, oci.CodeUnavailable, "the registry's locks cannot be reached; try again"},
	{registry.ErrUploadBusy, http.StatusRequestedRangeNotSatisfiable, oci.CodeBlobUploadInvalid, "another request is writing to this upload; ask for its range with GET and go on from there"},
	{registry.ErrReadOnly, http.StatusMethodNotAllowed, oci.CodeUnsupported, "this registry is read-only"},
	{registry.ErrMirror, http.StatusMethodNotAllowed, oci.CodeUnsupported, "this repository mirrors another registry and takes no pushes and no deletes; push to that one"},
	{registry.ErrNoSpace, http.StatusInsufficientStorage, oci.CodeUnavailable, "no space is left in the registry's store; its operator has to make room, then push again"},
	{registry.ErrNotWritable, http.StatusServiceUnavailable, oci.CodeUnavailable, "the registry's store takes no writes at present; its operator has to look at its disk, then push again"},
	{registry.ErrBusy, http.StatusServiceUnavailable, oci.CodeUnavailable, "another process holds the store; try again"},
	{registry.ErrDisturbed, http.StatusServiceUnavailable, oci.CodeUnavailable, "what the push named was removed meanwhile; push again"},
	{access.ErrCredentialForm, http.StatusBadRequest, oci.CodeUnauthorized, ""},
	{access.ErrCredentialTooLarge, http.StatusBadRequest, oci.CodeUnauthorized, ""},
	{access.ErrSignInBusy, http.StatusServiceUnavailable, oci.CodeUnavailable, ""},
	{access.ErrSignInUnavailable, http.StatusServiceUnavailable, oci.CodeUnavailable, ""},
	{access.ErrUnaudited, http.StatusServiceUnavailable, oci.CodeUnavailable, "the registry cannot keep a record of this request, so it does not answer it; its operator has to look at log.audit.file"},
	{access.ErrNoTokens, http.StatusNotFound, oci.CodeUnsupported, ""},
	{router.ErrOutside, http.StatusNotFound, oci.CodeUnsupported, "nothing is here; the registry is below the path of server.external_url, which the proxy in front must pass on as it is"},
	{router.ErrNoRoute, http.StatusNotFound, oci.CodeUnsupported, "nothing is here; the registry's API is under /v2/"},
	{errNotReady, http.StatusServiceUnavailable, oci.CodeUnavailable, ""},
	{router.ErrBodyStalled, http.StatusRequestTimeout, oci.CodeBlobUploadInvalid, "the body stalled or came too slowly; of an upload, go on where its GET says"},
	{router.ErrBodiesFull, http.StatusServiceUnavailable, oci.CodeUnavailable, "the registry is busy with other long bodies; try again"},
	{router.ErrBodyBroken, http.StatusBadRequest, oci.CodeSizeInvalid, "the body ended before its length"},
}

// describe makes an error the body of its answer. What the table does not know is the server's own
// failure: the client hears the request id alone.
func (a *API) describe(header http.Header, r *http.Request, req *router.Request, err error) router.Failure {
	status, info := a.explain(header, r, req, err)
	text, err := json.Marshal(oci.ErrorBody{Errors: []oci.ErrorInfo{info}})
	if err != nil {
		text = []byte(`{"errors":[{"code":"UNKNOWN","message":"internal error"}]}`)
	}
	header["Content-Type"] = jsonType
	return router.Failure{Status: status, Body: text}
}

func (a *API) explain(header http.Header, r *http.Request, req *router.Request, err error) (int, oci.ErrorInfo) {
	var (
		immutable *registry.ImmutableTagError
		missing   *registry.MissingError
		offset    *registry.RangeError
		method    *router.MethodError
		denied    *deniedError
		throttled *access.ThrottledError
		often     *router.RateError
		away      *registry.UnavailableError
	)
	switch {
	case errors.As(err, &immutable):
		return http.StatusConflict, oci.ErrorInfo{
			Code: oci.CodeDenied, Message: fmt.Sprintf("tag %s is immutable here: it keeps the manifest that it stands for", immutable.Tag),
			Detail: map[string]string{"tag": immutable.Tag.String()},
		}
	case errors.As(err, &missing):
		return http.StatusNotFound, oci.ErrorInfo{Code: oci.CodeManifestBlobUnknown, Message: missing.Error(), Detail: missing}
	case errors.As(err, &offset):
		setRange(header, offset.Size)
		return http.StatusRequestedRangeNotSatisfiable, oci.ErrorInfo{Code: oci.CodeBlobUploadInvalid, Message: offset.Error()}
	case errors.As(err, &denied):
		return a.explainDenial(header, r, req, denied)
	case errors.Is(err, errChallenge), errors.Is(err, access.ErrInvalidCredentials):
		header["Www-Authenticate"] = []string{a.challenge(r, req)}
		return http.StatusUnauthorized, oci.ErrorInfo{Code: oci.CodeUnauthorized, Message: err.Error()}
	case errors.As(err, &throttled):
		header["Retry-After"] = seconds(throttled.RetryAfter)
		return http.StatusTooManyRequests, oci.ErrorInfo{Code: oci.CodeTooManyRequests, Message: err.Error()}
	case errors.As(err, &often):
		header["Retry-After"] = seconds(often.RetryAfter)
		return http.StatusTooManyRequests, oci.ErrorInfo{Code: oci.CodeTooManyRequests, Message: err.Error()}
	case errors.As(err, &away):
		header["Retry-After"] = seconds(away.RetryAfter)
		return http.StatusServiceUnavailable, oci.ErrorInfo{Code: oci.CodeUnavailable, Message: "the registry's store does not answer; try again"}
	case errors.As(err, &method):
		header["Allow"] = []string{strings.Join(method.Allowed, ", ")}
		return http.StatusMethodNotAllowed, oci.ErrorInfo{Code: oci.CodeUnsupported, Message: method.Error()}
	}
	for _, kind := range kinds {
		if !errors.Is(err, kind.err) {
			continue
		}
		if kind.status == http.StatusServiceUnavailable {
			header["Retry-After"] = []string{"1"}
		}
		message := kind.message
		if message == "" {
			message = err.Error()
		}
		return kind.status, oci.ErrorInfo{Code: kind.code, Message: message}
	}
	return http.StatusInternalServerError, oci.ErrorInfo{Code: oci.CodeUnknown, Message: "internal error, request id " + req.Question.Transport.RequestID}
}

// seconds is a time as Retry-After has it.
func seconds(d time.Duration) []string { return []string{strconv.Itoa(int(math.Ceil(d.Seconds())))} }

// explainDenial tells a client that has not signed in how to, and every other one that it may not. If the
// provider of its token cannot be reached, the token may be right, and the client shall try again.
func (a *API) explainDenial(header http.Header, r *http.Request, req *router.Request, denied *deniedError) (int, oci.ErrorInfo) {
	forbidden := oci.ErrorInfo{Code: oci.CodeDenied, Message: asked("requested access to the resource is denied", req.Request)}
	if denied.denial != access.Unauthenticated && denied.denial != access.OutOfScope {
		return http.StatusForbidden, forbidden
	}
	if req.SignIn.Unavailable {
		header["Retry-After"] = []string{"1"}
		return http.StatusServiceUnavailable, oci.ErrorInfo{Code: oci.CodeUnavailable, Message: access.ErrSignInUnavailable.Error()}
	}
	challenge := a.challenge(r, req)
	if challenge == "" {
		return http.StatusForbidden, forbidden
	}
	message := "authentication required"
	if denied.denial == access.OutOfScope {
		challenge += `,error="insufficient_scope"` // else skopeo does not ask again
		message = "the token is for something else, get one for this scope"
	}
	header["Www-Authenticate"] = []string{challenge}
	if req.SignIn.Rejected {
		message += ": " + req.SignIn.Reason
	}
	return http.StatusUnauthorized, oci.ErrorInfo{Code: oci.CodeUnauthorized, Message: asked(message, req.Request)}
}

// asked adds to a message what was asked for. If an error has only the words of the specification, docker
// tries a push again for almost a minute.
func asked(message string, req *access.Request) string {
	message += ": " + string(req.Action)
	if namespace := req.Namespace.String(); namespace != "" {
		message += " in " + namespace
	}
	return message
}

// challenge says how to sign in; at the token service itself by password.
func (a *API) challenge(r *http.Request, req *router.Request) string {
	if req.Action == access.GetToken {
		return `Basic realm="sreg", charset="UTF-8"`
	}
	return a.SignIn.Challenge(r, req.Request)
}
