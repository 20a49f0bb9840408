package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/setting"
)

// Pauses between attempts double, up to the longest one, and each is cut by chance, so that those who
// failed together do not come again together.
const (
	longestPause = 5 * time.Second
	firstPause   = 100 * time.Millisecond
	// refusedPause is for where nobody listens: that is known at once, and a service that restarts is there
	// soon.
	refusedPause = 50 * time.Millisecond
	// slowerPause is for a service that asks for fewer requests.
	slowerPause = 400 * time.Millisecond
)

// connection is how a Store speaks with its service.
type connection struct {
	client *awss3.Client
	// signer signs URLs that a plain GET opens, for the address that clients know. It asks nobody, so the
	// breaker does not hear of it.
	signer  *awss3.PresignClient
	http    *outbound.Transport
	breaker *breaker
	words   *words
}

// connect prepares all of it and asks the service nothing.
func connect(ctx context.Context, cfg Config, opts Options) (*connection, error) {
	c := &connection{}
	c.words = &words{section: opts.Section, config: cfg, now: time.Now}
	loaded, err := load(ctx, cfg)
	if err != nil {
		return nil, c.words.trouble("access_key_id", err, "AWS's files and environment cannot be read: %v", err)
	}
	c.words.credentials = &telling{inner: loaded.Credentials}
	c.breaker = newBreaker(cfg.Breaker, "s3://"+c.words.place(), opts.Logger, opts.Breaker)
	transport, err := newTransport(loaded.HTTPClient, cfg.CAFile, c.patience(cfg))
	if err != nil {
		return nil, setting.Below(opts.Section, err)
	}
	c.http = transport.Transport
	settings := func(endpoint string) func(*awss3.Options) {
		return func(o *awss3.Options) {
			o.Credentials = c.words.credentials
			o.HTTPClient = transport
			o.UsePathStyle = cfg.PathStyle
			o.Logger = quietly(opts.Logger)
			o.DisableLogOutputChecksumValidationSkipped = true
			o.RequestChecksumCalculation, o.ResponseChecksumValidation = checksums(cfg)
			o.Retryer = c.retryer(cfg)
			if endpoint != "" {
				o.BaseEndpoint = aws.String(endpoint)
			}
		}
	}
	before := &guard{breaker: c.breaker, timeout: cfg.Timeout, words: c.words}
	c.client = awss3.NewFromConfig(loaded, settings(cfg.Endpoint), func(o *awss3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return errors.Join(stack.Initialize.Add(before, middleware.Before), stack.Deserialize.Add(wholeAnswers{}, middleware.After))
		})
	})
	c.signer = awss3.NewPresignClient(awss3.NewFromConfig(loaded, settings(firstOf(cfg.PublicEndpoint, cfg.Endpoint)), uncheckedBody))
	return c, nil
}

// load finds what AWS's own tools would: region, credentials and the address in files and environment.
func load(ctx context.Context, cfg Config) (aws.Config, error) {
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithRegion(cfg.Region)}
	if cfg.AccessKeyID != "" {
		static := credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey.Reveal(), "")
		opts = append(opts, awsconfig.WithCredentialsProvider(static))
	}
	return awsconfig.LoadDefaultConfig(ctx, opts...)
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// checksums are sent and wanted alike: a service that does not know the ones does not know the others.
func checksums(cfg Config) (aws.RequestChecksumCalculation, aws.ResponseChecksumValidation) {
	if cfg.RequestChecksum == "when_required" {
		return aws.RequestChecksumCalculationWhenRequired, aws.ResponseChecksumValidationWhenRequired
	}
	return aws.RequestChecksumCalculationWhenSupported, aws.ResponseChecksumValidationWhenSupported
}

// patience is attempt_timeout; the one request by which a breaker finds out shall not take that long.
func (c *connection) patience(cfg Config) func() time.Duration {
	return func() time.Duration {
		if c.breaker.closed() {
			return cfg.AttemptTimeout
		}
		return min(cfg.AttemptTimeout, cfg.Breaker.Cooldown)
	}
}

// retryer is the SDK's standard one. Its bucket of tokens is left out: it is one for all requests of the
// process, so that a short outage under load would empty it and the next failure of anybody would be
// final. What keeps a service from being hammered is the breaker, behind which nothing is tried again.
func (c *connection) retryer(cfg Config) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = cfg.MaxAttempts
		o.RateLimiter = ratelimit.None
		o.MaxBackoff = longestPause
		o.Backoff = retry.BackoffDelayerFunc(pause)
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if !c.breaker.closed() || hopeless(err) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})}, o.Retryables...)
	})
}

// hopeless tells whether another attempt would fail the same way.
func hopeless(err error) bool {
	if !isOutage(err) {
		return false
	}
	w := words{}
	var refused *setting.Error
	return errors.As(w.unreachable(err), &refused) && !errors.Is(err, syscall.ECONNREFUSED)
}

// pause is how long to wait after an attempt, the first of which is 1.
func pause(attempt int, err error) (time.Duration, error) {
	first := firstPause
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		first = refusedPause
	case status(err) == http.StatusServiceUnavailable:
		first = slowerPause
	}
	longest := min(first<<min(attempt, 10), longestPause)
	return longest/2 + rand.N(longest/2), nil
}

// credentialsError says that no credentials could be had.
type credentialsError struct{ error }

// Unwrap gives what the chain said.
func (e *credentialsError) Unwrap() error { return e.error }

// telling are credentials that say where they come from.
type telling struct {
	inner  aws.CredentialsProvider
	source atomic.Pointer[string]
}

// Retrieve is for the SDK.
func (t *telling) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := t.inner.Retrieve(ctx)
	if err != nil {
		return got, &credentialsError{err}
	}
	if last := t.source.Load(); last == nil || *last != got.Source {
		t.source.Store(&got.Source)
	}
	return got, nil
}

// from says where the credentials come from, if that is not the config.
func (t *telling) from() string {
	source := ""
	if t != nil && t.source.Load() != nil {
		source = *t.source.Load()
	}
	if source == "" || source == credentials.StaticCredentialsName {
		return ""
	}
	return " (from " + source + ")"
}

// quietly keeps what the SDK has to say for whoever debugs.
func quietly(log *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		log.Debug("AWS SDK", "message", fmt.Sprintf(format, v...))
	})
}

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

// status is the one of the service's answer, 0 without one.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}
