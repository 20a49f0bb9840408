package s3_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestWhatServicesHonour is learned from the services themselves.
func TestWhatServicesHonour(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		s := create(t, server.Config(t))
		if !s.Features().ConditionalWrites {
			t.Error("the service honours no conditions, want that it does")
		}
		if _, deletes := s.Honours(); deletes != (server.Name == "versitygw") {
			t.Errorf("it honours conditions of deletes: %v", deletes)
		}
	})
}

// TestServiceWithoutConditions serves, and says what it cannot do.
func TestServiceWithoutConditions(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	refusing := s3test.Proxied(t, server.Config(t), func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-Match") == "" && r.Header.Get("If-None-Match") == "" {
				service.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusNotImplemented)
			_, _ = io.WriteString(w, "<Error><Code>NotImplemented</Code></Error>")
		})
	})
	for name, s := range map[string]storage.Store{
		"ignores": create(t, server.Unconditional(t, server.Config(t))),
		"refuses": create(t, refusing),
	} {
		if s.Features().ConditionalWrites {
			t.Errorf("a service that %s conditions is said to honour them", name)
		}
		version, err := s.Put(t.Context(), "k", []byte("1"), storage.PutOptions{IfAbsent: true})
		must(t, err)
		if err := second(s.Put(t.Context(), "k", []byte("2"), storage.PutOptions{IfAbsent: true})); !errors.Is(err, storage.ErrExists) {
			t.Errorf("put if absent: %v, want %v", err, storage.ErrExists)
		}
		must(t, second(s.Put(t.Context(), "k", []byte("3"), storage.PutOptions{IfUnchanged: version})))
		if err := s.Delete(t.Context(), "k", storage.DeleteOptions{IfUnchanged: version}); !errors.Is(err, storage.ErrChanged) {
			t.Errorf("delete at an older version: %v, want %v", err, storage.ErrChanged)
		}
		must(t, s.Condemn(t.Context(), "k"))
		must(t, s.Destroy(t.Context(), "k", storage.DeleteOptions{}))
	}
}

func TestCreateRefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	for _, key := range []string{"photos/cat.jpeg", "store/library/alpine/_pulls"} {
		_, err := server.Client().PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &cfg.Bucket, Key: aws.String(key), Body: strings.NewReader("x")})
		must(t, err)
	}
	wantTrouble(t, open(t, cfg).Create(t.Context()), "prefix", "photos/")
	cfg.Prefix = "store"
	s := open(t, cfg)
	wantTrouble(t, s.Create(t.Context()), "prefix", "library/")
	put(t, s, "_format", "the owner's")
	must(t, s.Create(t.Context()))
	cfg.Prefix = "empty"
	must(t, open(t, cfg).Create(t.Context()))
}

func TestCreateRefusesABucketWithVersions(t *testing.T) {
	t.Parallel()
	for status, refused := range map[string]bool{"Enabled": true, "Suspended": false} {
		cfg := s3test.Proxied(t, s3test.Config(t), func(service http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if s3test.Kind(r) != "GET versioning" {
					service.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/xml")
				_, _ = io.WriteString(w, "<VersioningConfiguration><Status>"+status+"</Status></VersioningConfiguration>")
			})
		})
		err := open(t, cfg).Create(t.Context())
		if refused {
			wantTrouble(t, err, "bucket", "versioning")
		} else {
			must(t, err)
		}
	}
}
