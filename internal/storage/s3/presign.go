package s3

import (
	"context"
	"fmt"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/storage"
)

// urls signs URLs, and keeps those of the usual time for a tenth of it.
type urls struct {
	of   *bucket
	ttl  time.Duration // the usual time
	kept *lru.Cache[signing, signedURL]
}

// signing is what a URL is signed for.
type signing struct {
	key       storage.DataKey
	mediaType string
}

// signedURL is a URL and when it was signed.
type signedURL struct {
	url string
	at  time.Time
}

// keptURLs bounds the memory of the URLs that are kept, in bytes.
const keptURLs = 4 << 20

func newURLs(of *bucket, cfg Config) *urls {
	return &urls{of: of, ttl: cfg.RedirectTTL, kept: lru.New[signing, signedURL](keptURLs)}
}

// Presign signs for the address that clients know, or gives a URL again: signing one costs more than the rest of a
// redirect. A URL says nothing of who asked, so that everybody may have it who may have the bytes.
func (s *urls) Presign(ctx context.Context, key storage.DataKey, opts storage.PresignOptions) (string, error) {
	d, err := parseDataKey(key)
	if err != nil {
		return "", fmt.Errorf("presign: %w", err)
	}
	now, what := s.of.now(), signing{key, opts.MediaType}
	usual := opts.Expires <= 0 || opts.Expires == s.ttl
	if usual {
		opts.Expires = s.ttl
		kept, ok := s.kept.Get(what)
		if age := now.Sub(kept.at); ok && age >= 0 && age <= s.ttl/10 {
			return kept.url, nil
		}
	}
	url, err := s.of.presign(ctx, d.Key, opts)
	if usual && err == nil {
		s.kept.Put(what, signedURL{url, now}, int64(len(url)+len(key)+128))
	}
	return url, err
}

// presign signs a URL.
func (s *bucket) presign(ctx context.Context, key string, opts storage.PresignOptions) (string, error) {
	in := &awss3.GetObjectInput{Bucket: &s.name, Key: s.at(key)}
	if opts.MediaType != "" {
		in.ResponseContentType = &opts.MediaType
	}
	signed, err := s.signer.PresignGetObject(ctx, in, awss3.WithPresignExpires(opts.Expires))
	if err != nil {
		return "", s.failure("presign", key, err)
	}
	return signed.URL, nil
}
