package s3

import (
	"context"
	"net/http"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// The folders of this package that tests look into.
const (
	BytesDir   = bytesDir
	UploadsDir = uploadsDir
)

// Client is what the Store speaks through.
func Client(s *Store) *awss3.Client { return s.client }

// Streamed is streamed.
func Streamed(o *awss3.Options) { streamed(o) }

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

// SetNow sets the clock.
func (s *Store) SetNow(now func() time.Time) { s.now = now }

// LoadRecord reads a record, and throws away what it says.
func LoadRecord(ctx context.Context, s *Store, key string) error {
	_, err := s.load(ctx, key)
	return err
}

// WriteRecord writes one over whatever lies there.
func WriteRecord(ctx context.Context, s *Store, key string, data []byte) error {
	_, err := s.save(ctx, key, record{Nonce: newNonce(), Data: data}, nil)
	return err
}

// EncodeRecord is what lies under the key of a live object.
func EncodeRecord(t testing.TB, data []byte) string {
	t.Helper()
	b, err := record{Nonce: newNonce(), Turn: newNonce(), Data: data}.encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Honours says which conditions the service honours.
func (s *Store) Honours() (writes, deletes bool) { return s.honoured.writes, s.honoured.deletes }

// Believe spares the requests that find out what the service honours.
func (s *Store) Believe() { s.honoured, s.asked = conditions{writes: true, deletes: true}, true }

// UploadMemory is how much memory is reserved for uploads, in bytes: all of it but what can be had at once.
func (s *Store) UploadMemory(limit int64) (reserved int64) {
	free := int64(0)
	for step := limit; step > 0; step /= 2 {
		for s.memory.limit.TryAcquire(step) {
			free += step
		}
	}
	s.memory.limit.Release(free)
	return limit - free
}

// SetLease lets claims end sooner that nobody renews.
func (s *Store) SetLease(holds, renewed time.Duration) {
	s.lease.holds, s.lease.renewed = holds, renewed
}

// SetTombstoneAge lets Sweep take the tombstones of objects sooner.
func (s *Store) SetTombstoneAge(age time.Duration) { s.tombstones = age }

// ForgetTombstones lets Sweep take them at once, also those of uploads.
func (s *Store) ForgetTombstones() { s.uploads.tombstones, s.tombstones = 0, 0 }
