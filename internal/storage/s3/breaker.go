package s3

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	"github.com/sony/gobreaker/v2"

	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/storage"
)

// retrySoon is when a client shall come again after a failure that opened no breaker.
const retrySoon = time.Second

// errResting is what is answered while the breaker is open.
var errResting = errors.New("it failed several times in a row and is given a rest")

// breaker answers in place of a service that fails, until a request that it lets through succeeds.
type breaker struct {
	inner    *gobreaker.TwoStepCircuitBreaker[struct{}] // nil = never opens
	cooldown time.Duration
	opened   atomic.Int64 // when, in nanoseconds since 1970
}

// newBreaker tells each change to the log once, and to changed.
func newBreaker(cfg Breaker, place string, log *slog.Logger, changed func(open bool)) *breaker {
	b := &breaker{cooldown: cfg.Cooldown}
	if cfg.Failures == 0 {
		return b
	}
	b.inner = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     cfg.Cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= uint32(cfg.Failures) },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case to == gobreaker.StateOpen:
				b.opened.Store(time.Now().UnixNano())
				if from == gobreaker.StateClosed {
					log.Error("store does not answer", "store", place)
					changed(true)
				}
			case to == gobreaker.StateClosed:
				log.Info("store answers again", "store", place)
				changed(false)
			}
		},
	})
	return b
}

// allow lets a request through, which then calls done, or says when to come again.
func (b *breaker) allow() (done func(error), err error) {
	if b.inner == nil {
		return func(error) {}, nil
	}
	done, err = b.inner.Allow()
	if err != nil {
		return nil, &storage.UnavailableError{RetryAfter: b.rest(), Cause: errResting}
	}
	return done, nil
}

// rest is how long the breaker stays open, at least a second.
func (b *breaker) rest() time.Duration {
	since := time.Since(time.Unix(0, b.opened.Load()))
	return max(b.cooldown-since, retrySoon)
}

// closed tells whether requests go through as ever: then alone is a failed one tried again.
func (b *breaker) closed() bool {
	return b.inner == nil || b.inner.State() == gobreaker.StateClosed
}

// guard stands before every request: the breaker, the time for all attempts, and the words for what went
// wrong.
type guard struct {
	breaker *breaker
	timeout time.Duration
	words   *words
}

// ID is for the SDK.
func (*guard) ID() string { return "sreg" }

// HandleInitialize is for the SDK.
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
	return out, meta, g.words.explain(middleware.GetOperationName(ctx), err)
}

var errNoETag = errors.New("the service gave no ETag")

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
