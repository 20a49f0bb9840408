package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sreg-project/sreg/internal/outbound"
)

// guard comes before every request: the breaker, the time for all attempts, and the explanation of what went
// wrong.
type guard struct {
	breaker   *breaker
	timeout   time.Duration
	explainer *explainer
}

func (*guard) ID() string { return "sreg" }

func (g *guard) HandleInitialize(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	done, err := g.breaker.allow()
	if err != nil {
		return middleware.InitializeOutput{}, middleware.Metadata{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	clock := time.AfterFunc(g.timeout, func() { cancel(&outbound.TimeoutError{After: g.timeout}) })
	out, meta, err := next.HandleInitialize(ctx, in)
	clock.Stop() // the body of an answer takes its time
	if err != nil {
		err = outbound.Cause(ctx, err)
	} else {
		err = tagged(out.Result)
	}
	switch {
	case isOutage(err):
		done(err)
	case errors.Is(err, context.Canceled):
		done(context.Canceled)
	default:
		done(nil)
	}
	got, ok := out.Result.(*awss3.GetObjectOutput)
	if ok && err != nil && got.Body != nil {
		got.Body.Close()
	}
	if ok && err == nil {
		got.Body = &lasting{got.Body, cancel}
		return out, meta, nil
	}
	cancel(nil)
	return out, meta, g.explainer.explain(middleware.GetOperationName(ctx), err)
}

// tagged wants an ETag where one must be: it is what the next write is conditional on, and what a part is
// named by.
func tagged(result any) error {
	var etag *string
	switch out := result.(type) {
	case *awss3.GetObjectOutput:
		etag = out.ETag
	case *awss3.HeadObjectOutput:
		etag = out.ETag
	case *awss3.PutObjectOutput:
		etag = out.ETag
	case *awss3.UploadPartOutput:
		etag = out.ETag
	case *awss3.CompleteMultipartUploadOutput:
		etag = out.ETag
	default:
		return nil
	}
	if etag == nil || *etag == "" {
		return errNoETag
	}
	return nil
}

// lasting is a body that ends the time of its request when it is closed.
type lasting struct {
	io.ReadCloser
	end context.CancelCauseFunc
}

func (l *lasting) Close() error {
	err := l.ReadCloser.Close()
	l.end(nil)
	return err
}

// maxRecord bounds what is read of a record: the largest object that is put whole is a manifest.
const maxRecord = 64 << 20

// wholeAnswers reads the answers of requests that change nothing whole within their attempt, so that one that is
// cut off is asked for again like one that never came. The SDK would take its head for a success.
type wholeAnswers struct{}

func (wholeAnswers) ID() string { return "sreg whole answers" }

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
	case "GetObject", "ListObjectsV2", "ListMultipartUploads":
		return true
	}
	return false
}

// streamed leaves the body of an answer to whoever reads it, as it comes.
func streamed(o *awss3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		_, err := stack.Deserialize.Remove(wholeAnswers{}.ID())
		return err
	})
}

var _ middleware.DeserializeMiddleware = wholeAnswers{}
