package s3_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
	"github.com/sreg-project/sreg/internal/storage/storagetest"
)

// TestStore gives each proof a prefix of one bucket.
func TestStore(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		prefixed := prefixes(t, server)
		storagetest.Run(t, func(t *testing.T) storage.Store { return create(t, prefixed()) })
	})
}

// TestStores opens two Stores on one prefix: to each other they are two processes.
func TestStores(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		prefixed := prefixes(t, server)
		storagetest.RunShared(t, func(t *testing.T) func() storage.Store {
			cfg := prefixed()
			return func() storage.Store { return create(t, cfg) }
		})
	})
}

// prefixes gives configs with a prefix of their own.
func prefixes(t testing.TB, server *s3test.Server) func() s3.Config {
	t.Helper()
	cfg := server.Config(t)
	var n atomic.Int64
	return func() s3.Config {
		own := cfg
		own.Prefix = fmt.Sprintf("prefix-%03d", n.Add(1))
		return own
	}
}

func create(t testing.TB, cfg s3.Config) *s3.Store {
	t.Helper()
	s := open(t, cfg)
	must(t, s.Create(t.Context()))
	return s
}

func open(t testing.TB, cfg s3.Config) *s3.Store {
	t.Helper()
	s, err := s3.New(t.Context(), cfg, s3.Options{Section: section})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s storage.Store, key, data string) storage.Version {
	t.Helper()
	version, err := s.Put(t.Context(), key, []byte(data), storage.PutOptions{})
	must(t, err)
	return version
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// second is the error of two results.
func second[T any](_ T, err error) error { return err }
