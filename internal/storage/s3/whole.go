package s3

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sreg-project/sreg/internal/outbound"
)

// cutError says that the connection broke in the middle of an answer.
type cutError struct{ cause error }

func (e *cutError) Error() string { return "the answer was cut off: " + e.cause.Error() }

func (e *cutError) Unwrap() error { return e.cause }

// RetryableError is for the SDK.
func (e *cutError) RetryableError() bool { return true }

// cut is what is wrong with a body that could not be read to its end. Where its reader went away the service is
// not to blame, and one that says too much would say it again.
func cut(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, outbound.ErrTooLarge) {
		return err
	}
	return &cutError{err}
}

// wholeAnswers reads the answers of requests that change nothing whole within their attempt, so that one that is
// cut off is asked for again like one that never came. The SDK would take its head for a success.
type wholeAnswers struct{}

// ID is for the SDK.
func (wholeAnswers) ID() string { return "sreg whole answers" }

// HandleDeserialize is for the SDK.
func (wholeAnswers) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, meta, err := next.HandleDeserialize(ctx, in)
	resp, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || !changesNothing(middleware.GetOperationName(ctx)) {
		return out, meta, err
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxRecord+1)) // of a listing the transport allows less
	resp.Body.Close()
	if err != nil {
		return out, meta, cut(ctx, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return out, meta, nil
}

func changesNothing(operation string) bool {
	switch operation {
	case "GetObject", "ListObjectsV2", "ListMultipartUploads", "ListParts":
		return true
	}
	return false
}

var _ middleware.DeserializeMiddleware = wholeAnswers{}
