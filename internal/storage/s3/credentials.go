package s3

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

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
