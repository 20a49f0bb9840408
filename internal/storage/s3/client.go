package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/setting"
)

// connection is how a Store speaks with its service.
type connection struct {
	client *awss3.Client
	// signer signs URLs that a plain GET opens, for the address that clients know. It asks nobody, so the
	// breaker does not hear of it.
	signer    *awss3.PresignClient
	http      *outbound.Transport
	breaker   *breaker
	explainer *explainer
}

// connect prepares all of it and asks the service nothing.
func connect(ctx context.Context, cfg Config, opts Options) (*connection, error) {
	c := &connection{}
	c.explainer = &explainer{section: opts.Section, config: cfg, now: time.Now}
	loaded, err := load(ctx, cfg)
	if err != nil {
		return nil, c.explainer.keyError("access_key_id", err, "AWS's files and environment cannot be read: %v", err)
	}
	c.explainer.credentials = &sourcedCredentials{inner: loaded.Credentials}
	c.breaker = newBreaker(cfg.Breaker, "s3://"+c.explainer.where(), opts.Logger, opts.Breaker)
	transport, err := newTransport(loaded.HTTPClient, cfg.CAFile, c.patience(cfg))
	if err != nil {
		return nil, setting.Below(opts.Section, err)
	}
	c.http = transport.Transport
	settings := func(endpoint string) func(*awss3.Options) {
		return func(o *awss3.Options) {
			o.Credentials = c.explainer.credentials
			o.HTTPClient = transport
			o.UsePathStyle = cfg.PathStyle
			o.Logger = logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
				opts.Logger.Debug("AWS SDK", "message", fmt.Sprintf(format, v...))
			})
			o.DisableLogOutputChecksumValidationSkipped = true
			o.RequestChecksumCalculation, o.ResponseChecksumValidation = checksums(cfg)
			o.Retryer = c.retryer(cfg)
			if endpoint != "" {
				o.BaseEndpoint = aws.String(endpoint)
			}
		}
	}
	before := &guard{breaker: c.breaker, timeout: cfg.Timeout, explainer: c.explainer}
	c.client = awss3.NewFromConfig(loaded, settings(cfg.Endpoint), func(o *awss3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return errors.Join(stack.Initialize.Add(before, middleware.Before), stack.Deserialize.Add(wholeAnswers{}, middleware.After))
		})
	})
	c.signer = awss3.NewPresignClient(awss3.NewFromConfig(loaded, settings(cmp.Or(cfg.PublicEndpoint, cfg.Endpoint)), uncheckedBody))
	return c, nil
}

// checksums are sent and wanted alike: a service that does not know the ones does not know the others.
func checksums(cfg Config) (aws.RequestChecksumCalculation, aws.ResponseChecksumValidation) {
	if cfg.RequestChecksum == "when_required" {
		return aws.RequestChecksumCalculationWhenRequired, aws.ResponseChecksumValidationWhenRequired
	}
	return aws.RequestChecksumCalculationWhenSupported, aws.ResponseChecksumValidationWhenSupported
}

// uncheckedBody leaves the checksum out that the service would give: of a range there is none, and
// bytes are checked against their digest by whoever pulls them.
func uncheckedBody(o *awss3.Options) {
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
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

// retryer is the SDK's standard one. Its bucket of tokens is left out: it is one for all requests of the
// process, so that a short outage under load would empty it and the next failure of anybody would be
// final. The breaker keeps a service from too many requests: where it is open nothing is tried again.
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
	w := explainer{}
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

// load finds what AWS's own tools would: region, credentials and the address in files and environment.
func load(ctx context.Context, cfg Config) (aws.Config, error) {
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithRegion(cfg.Region)}
	if cfg.AccessKeyID != "" {
		static := credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey.Reveal(), "")
		opts = append(opts, awsconfig.WithCredentialsProvider(static))
	}
	return awsconfig.LoadDefaultConfig(ctx, opts...)
}

// sourcedCredentials say where they come from.
type sourcedCredentials struct {
	inner  aws.CredentialsProvider
	source atomic.Pointer[string]
}

func (t *sourcedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := t.inner.Retrieve(ctx)
	if err != nil {
		return got, &credentialsError{err}
	}
	if last := t.source.Load(); last == nil || *last != got.Source {
		t.source.Store(&got.Source)
	}
	return got, nil
}

// origin says where the credentials come from, if that is not the config.
func (t *sourcedCredentials) origin() string {
	source := ""
	if t != nil && t.source.Load() != nil {
		source = *t.source.Load()
	}
	if source == "" || source == credentials.StaticCredentialsName {
		return ""
	}
	return " (from " + source + ")"
}
