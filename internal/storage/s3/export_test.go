package s3

import (
	"net/http"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// SetTransport puts something between the Store and the network, and lets no request be tried again.
func (s *Store) SetTransport(wrap func(http.RoundTripper) http.RoundTripper) {
	options := s.client.Options()
	inner := options.HTTPClient
	over := roundTripper(func(r *http.Request) (*http.Response, error) { return inner.Do(r) })
	outer := wrap(over)
	s.client = awss3.New(options, func(o *awss3.Options) {
		o.HTTPClient = &http.Client{Transport: outer}
		o.RetryMaxAttempts = 1
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ForgetTombstones lets Sweep take them at once.
func (s *Store) ForgetTombstones() { s.uploads.tombstone, s.lease.tombstone = 0, 0 }

// Believe spares the requests that find out what the service honours.
func (s *Store) Believe() {
	s.service.knows, s.service.probed = conditions{writes: true, deletes: true}, true
}

// SetNow sets the clock.
func (s *Store) SetNow(now func() time.Time) { s.now = now }

// UploadMemory is how much memory is reserved for uploads, in bytes: all of it but what can be had at once.
func (s *Store) UploadMemory(limit int64) (reserved int64) {
	free := int64(0)
	for step := limit; step > 0; step /= 2 {
		for s.uploads.memory.limit.TryAcquire(step) {
			free += step
		}
	}
	s.uploads.memory.limit.Release(free)
	return limit - free
}

// BytesOf lists nothing but the prefixes that tests look at.
const (
	BytesDir   = bytesDir
	UploadsDir = uploadsDir
)
