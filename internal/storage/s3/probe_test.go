package s3_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

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

// TestCheckLeavesNothing, whatever step fails.
func TestCheckLeavesNothing(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		for name, c := range map[string]struct {
			denied string // the kind of request
			about  string
		}{
			"all is well":              {},
			"listing is denied":        {"LIST", "list: "},
			"writing is denied":        {"PUT", "put: "},
			"reading is denied":        {"GET", "get: "},
			"multipart is denied":      {"CREATE upload", "multipart upload: "},
			"parts are denied":         {"PUT part", "multipart upload: "},
			"the completion is denied": {"COMPLETE upload", "multipart upload: "},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				direct := server.Config(t)
				cfg := s3test.Proxied(t, direct, func(service http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if s3test.Kind(r) == c.denied {
							refusal(403, "AccessDenied", "no").ServeHTTP(w, r)
							return
						}
						service.ServeHTTP(w, r)
					})
				})
				_, err := open(t, cfg).Check(t.Context())
				if c.about == "" && err != nil {
					t.Fatal(err)
				}
				if c.about != "" {
					wantTrouble(t, err, "access_key_id", "permit it")
					if !strings.HasPrefix(err.Error(), c.about) {
						t.Errorf("error is %q, want it to begin with %q", err, c.about)
					}
				}
				left, err := server.Client().ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(cfg.Bucket)})
				if err != nil || len(left.Contents) > 0 {
					t.Errorf("%v is left, %v", left.Contents, err)
				}
				uploads, err := server.Client().ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String(cfg.Bucket)})
				if err != nil || len(uploads.Uploads) > 0 {
					t.Errorf("%v is left of uploads, %v", uploads.Uploads, err)
				}
			})
		}
	})
}

// TestCheckFollowsThePublicEndpoint: an address that clients cannot use is found before they do.
func TestCheckFollowsThePublicEndpoint(t *testing.T) {
	t.Parallel()
	cfg := s3test.Config(t)
	cfg.PublicEndpoint = "http://127.0.0.1:1"
	_, err := open(t, cfg).Check(t.Context())
	wantTrouble(t, err, "public_endpoint", "does not open its object", "redirect: false")
}

// TestCheckRefusesABucketWithSomethingElse and one with versions.
func TestCheckRefusesABucketWithSomethingElse(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	_, err := server.Client().PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &cfg.Bucket, Key: aws.String("docker/registry/v2/x"), Body: strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = open(t, cfg).Check(t.Context())
	wantTrouble(t, err, "prefix", "docker/", "empty prefix")
	wantTrouble(t, open(t, cfg).Create(t.Context()), "prefix", "docker/")
}
