package s3

import (
	"context"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// Client is what the Store speaks through.
func Client(s *Store) *awss3.Client { return s.client }

// Streamed is streamed.
func Streamed(o *awss3.Options) { streamed(o) }

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
