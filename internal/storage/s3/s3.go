// Package s3 keeps objects in a bucket of a service that speaks S3.
// It promises the contract of package storage on any service with conditional writes, and says at
// the start what one without them cannot do.
// It must never know what a manifest, a tag or a blob is, nor who asks.
package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/storage"
)

// Store keeps objects below a prefix of a bucket.
type Store struct {
	config Config
	client *awss3.Client
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

// New returns a Store and asks the service nothing.
func New(ctx context.Context, cfg Config) (*Store, error) {
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithRegion(cfg.Region)}
	if cfg.AccessKeyID != "" {
		static := credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey.Reveal(), "")
		opts = append(opts, awsconfig.WithCredentialsProvider(static))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("find credentials for S3: %w", err)
	}
	client := awss3.NewFromConfig(loaded, func(o *awss3.Options) {
		o.UsePathStyle = cfg.PathStyle
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
	})
	return &Store{
		config: cfg, client: client, bucket: cfg.Bucket, prefix: cfg.keyPrefix(), now: time.Now,
		seen: lru.New[storage.Version, string](seenVersions), lease: defaultLease(), claims: newClaims(), uploads: newUploads(cfg),
	}, nil
}

// Root is s3://bucket/prefix.
func (s *Store) Root() string { return "s3://" + s.bucket + "/" + s.prefix }

// Close ends the claims of this process.
func (s *Store) Close() error {
	s.claims.close()
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

var _ storage.Store = (*Store)(nil)
