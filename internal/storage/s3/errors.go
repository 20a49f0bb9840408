package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/storage"
)

// credentialsError says that no credentials could be had.
type credentialsError struct{ error }

func (e *credentialsError) Unwrap() error { return e.error }

// strangeAnswerError is an answer that no service gives that speaks S3.
type strangeAnswerError struct {
	status int
	kind   string
	begins string
}

func (s *strangeAnswerError) Error() string {
	return fmt.Sprintf("the answer, of status %d, is %s and not S3's", s.status, s.kind)
}

// RetryableError tells the SDK that another attempt would not help.
func (s *strangeAnswerError) RetryableError() bool { return false }

// cutError says that the connection broke in the middle of an answer.
type cutError struct{ cause error }

func (e *cutError) Error() string { return "the answer was cut off: " + e.cause.Error() }

func (e *cutError) Unwrap() error { return e.cause }

func (e *cutError) RetryableError() bool { return true }

// cut is what is wrong with a body that could not be read to its end. Where its reader went away nothing is wrong
// with the service, and an answer that is too large would be too large again.
func cut(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, outbound.ErrTooLarge) {
		return err
	}
	return &cutError{err}
}

var errNoETag = errors.New("the service gave no ETag")

// isNotFound tells whether nothing lies under a key. A bucket that is not there is another error, and so is
// an access key that is not known, which one service answers 404, too.
func isNotFound(err error) bool {
	switch codeOf(err) {
	case "NoSuchKey", "NotFound", "NoSuchUpload", "NoSuchVersion", "": // an answer to HEAD has no body for a code
		return status(err) == http.StatusNotFound
	}
	return false
}

// isConflict tells whether the condition of a write did not hold, or may not have held: 412, or 409 where
// another write to the same key was under way. A write to a key that went is 404.
func isConflict(err error) bool {
	return status(err) == http.StatusPreconditionFailed || isRefusal(err) || isNotFound(err)
}

// isRefusal tells whether another request was in the way, condition or not: the same one may be taken in a
// moment.
func isRefusal(err error) bool { return status(err) == http.StatusConflict }

// isOutage tells whether a request failed because the service, or the way to it, is out of order.
func isOutage(err error) bool {
	var (
		strange   *strangeAnswerError
		missing   *credentialsError
		unsent    *smithyhttp.RequestSendError
		impatient *outbound.TimeoutError
		short     *cutError
	)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &strange), errors.As(err, &missing):
		return false
	case errors.As(err, &impatient), errors.As(err, &short), errors.Is(err, context.DeadlineExceeded):
		return true
	}
	switch codeOf(err) {
	case "InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout": // also below a status of 200
		return true
	}
	switch status(err) {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 0:
		return errors.As(err, &unsent)
	}
	return false
}

// retrySoon is when a client shall come again after a failure that opened no breaker.
const retrySoon = time.Second

// retryAfter is when the service wants to be asked again, if it says so, or soon.
func retryAfter(err error) time.Duration {
	const longest = time.Minute // what a service says is not believed blindly
	seconds, parsed := time.ParseDuration(answerOf(err).Get("Retry-After") + "s")
	if parsed != nil {
		return retrySoon
	}
	return min(max(seconds, retrySoon), longest)
}

// status is the one of the service's answer, 0 without one.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	var said smithy.APIError
	if errors.As(err, &said) {
		return said.ErrorCode()
	}
	return ""
}

func messageOf(err error) string {
	var said smithy.APIError
	if errors.As(err, &said) {
		return said.ErrorMessage()
	}
	return ""
}

// answerOf is the header of the answer, empty without one.
func answerOf(err error) http.Header {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil && answer.Response.Response != nil {
		return answer.Response.Header
	}
	return http.Header{}
}

// How often a service may refuse what nothing speaks against, and for how long it is left alone after the
// first time.
const (
	maxRefusals  = 10
	refusalPause = 20 * time.Millisecond
)

// insist makes a request again, after a pause, while the service refuses it because another one is in the way.
// In the end that is ErrBusy.
func insist(ctx context.Context, request func() error) error {
	for refusals := 1; ; refusals++ {
		err := request()
		switch {
		case !isRefusal(err):
			return err
		case refusals > maxRefusals:
			return fmt.Errorf("%w: %w", storage.ErrBusy, err)
		}
		if err := rest(ctx, time.Duration(refusals)*refusalPause); err != nil {
			return err
		}
	}
}

// rest waits, or until the context ends.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
