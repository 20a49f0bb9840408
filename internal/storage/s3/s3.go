// Package s3 keeps objects in a bucket of a service that speaks S3.
// It promises the contract of package storage on any service with conditional writes, and says at
// the start what one without them cannot do.
// It must never know what a manifest, a tag or a blob is, nor who asks.
package s3

import (
	"context"
	"log/slog"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// Store keeps objects below a prefix of a bucket. It is made of layers, each of which knows only those below
// it. From the top, with their files:
//
//	Store        probe.go sweep.go
//	*claims      claim.go
//	*uploads     upload.go commit.go content.go append.go save.go leftover.go session.go memory.go
//	*objects     draft.go list.go objects.go
//	*records     adopt.go records.go
//	*urls        presign.go
//	*bucket      multipart.go data.go pages.go record.go bucket.go
//	*connection  client.go middleware.go breaker.go explain.go transport.go errors.go config.go
type Store struct {
	*records
	*objects
	*urls
	*uploads
	*claims

	config Config
	// tombstones is how long a tombstone of an object stays at least.
	tombstones time.Duration
}

// tombstoneAge is longer than any request may be under way that rests on what lay there before.
const tombstoneAge = 24 * time.Hour

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
	all := &records{bucket: &bucket{connection: to, name: cfg.Bucket, prefix: cfg.keyPrefix(), sums: cfg.RequestChecksum != "when_required", now: time.Now}}
	return &Store{
		records: all, objects: newObjects(all), urls: newURLs(all.bucket, cfg), uploads: newUploads(all, cfg), claims: newClaims(all),
		config: cfg, tombstones: tombstoneAge,
	}, nil
}

// Close ends the claims of this process.
func (s *Store) Close() error {
	s.claims.close()
	s.http.CloseIdleConnections()
	return nil
}

var (
	_ storage.Store      = (*Store)(nil)
	_ storage.DataOpener = (*Store)(nil)
	_ storage.Presigner  = (*Store)(nil)
)
