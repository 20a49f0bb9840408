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
)

// Store keeps objects below a prefix of a bucket.
type Store struct {
	config Config
	client *awss3.Client
	bucket string
	prefix string // of all keys: empty, or with a slash at its end
	now    func() time.Time

	uploads uploads
}

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
	return &Store{config: cfg, client: client, bucket: cfg.Bucket, prefix: cfg.keyPrefix(), now: time.Now, uploads: newUploads(cfg)}, nil
}

// Root is s3://bucket/prefix.
func (s *Store) Root() string { return "s3://" + s.bucket + "/" + s.prefix }
