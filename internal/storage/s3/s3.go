// Package s3 keeps objects in a bucket of a service that speaks S3.
// It promises the contract of package storage on any service with conditional writes, and says at
// the start what one without them cannot do.
// It must never know what a manifest, a tag or a blob is, nor who asks.
package s3

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/storage"
)

// Options are what a Store is told beside its config.
type Options struct {
	// Section is the key of the config's section, such as storage.blobs.s3: errors name the keys below it.
	Section string
	Logger  *slog.Logger
	// Breaker is told when requests begin to be answered without asking the service, and when that ends.
	// It must not block.
	Breaker func(open bool)
}

// Store keeps objects below a prefix of a bucket.
type Store struct {
	*connection

	config Config
	bucket string
	prefix string // of all keys: empty, or with a slash at its end
	now    func() time.Time

	seen    *lru.Cache[storage.Version, string] // the ETags of live records read or written lately
	service service
	lease   lease
	claims  claims
	uploads uploads
}

// seenVersions bounds what the store remembers of records, in entries. Forgetting costs one request.
const seenVersions = 16384

// New returns a Store and asks the service nothing. What is wrong with the config is a *setting.Error.
func New(ctx context.Context, cfg Config, opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Breaker == nil {
		opts.Breaker = func(bool) {}
	}
	to, err := connect(ctx, cfg, opts)
	if err != nil {
		return nil, err
	}
	return &Store{
		connection: to, config: cfg, bucket: cfg.Bucket, prefix: cfg.keyPrefix(), now: time.Now,
		seen: lru.New[storage.Version, string](seenVersions), lease: defaultLease(), claims: newClaims(), uploads: newUploads(cfg),
	}, nil
}

// Root is s3://bucket/prefix.
func (s *Store) Root() string { return "s3://" + s.bucket + "/" + s.prefix }

// Close ends the claims of this process.
func (s *Store) Close() error {
	s.claims.close()
	s.http.CloseIdleConnections()
	return nil
}

// remove deletes what lies under a key, in whatever state it is. What is gone is no error.
func (s *Store) remove(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil && !isNotFound(err) {
		return s.failure("delete", key, err)
	}
	return nil
}

var (
	_ storage.Store      = (*Store)(nil)
	_ storage.DataOpener = (*Store)(nil)
	_ storage.Presigner  = (*Store)(nil)
)
