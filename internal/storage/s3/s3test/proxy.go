package s3test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage/s3"
)

// Proxied puts a proxy before the service of a config. The function is given what forwards a request to the
// service, and returns what answers the client instead.
func Proxied(t testing.TB, cfg s3.Config, wrap func(service http.Handler) http.Handler) s3.Config {
	t.Helper()
	target, err := url.Parse(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(wrap(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}))
	t.Cleanup(proxy.Close)
	cfg.Endpoint = proxy.URL
	return cfg
}

// Unconditional puts a proxy before the service that ignores the conditions of writes, as some services do.
func (s *Server) Unconditional(t testing.TB, cfg s3.Config) s3.Config {
	t.Helper()
	return Proxied(t, cfg, func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			conditional := r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != ""
			switch {
			case conditional && r.Method == http.MethodPut: // the signature holds the conditions: send another request
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return // the client is gone
				}
				out, err := s.client.PutObject(r.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
				if err != nil {
					t.Errorf("put %s without its conditions: %v", key, err)
					return
				}
				w.Header().Set("ETag", *out.ETag)
			case conditional && r.Method == http.MethodDelete:
				if _, err := s.client.DeleteObject(r.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
					t.Errorf("delete %s without its conditions: %v", key, err)
				}
				w.WriteHeader(http.StatusNoContent)
			default:
				service.ServeHTTP(w, r)
			}
		})
	})
}

// Counter counts the requests that went through a proxy.
type Counter struct {
	bucket string

	mu       sync.Mutex // guards what follows
	counts   map[string]int
	requests []string
}

// Counted puts a proxy before the service of a config that counts the requests by their kind.
func Counted(t testing.TB, cfg s3.Config) (s3.Config, *Counter) {
	t.Helper()
	c := &Counter{bucket: "/" + cfg.Bucket, counts: map[string]int{}}
	return Proxied(t, cfg, func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.count(r)
			service.ServeHTTP(w, r)
		})
	}), c
}

// Take gives the number of requests of each kind since it was asked last. The kinds are GET, HEAD, PUT and
// DELETE of an object, LIST, and those of Kind.
func (c *Counter) Take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := maps.Clone(c.counts)
	clear(c.counts)
	c.requests = nil
	return taken
}

// Requests gives the requests since Take was called last, each as its kind and key, for the words of a
// failure.
func (c *Counter) Requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.requests...)
}

func (c *Counter) count(r *http.Request) {
	kind := Kind(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[kind]++
	c.requests = append(c.requests, kind+" "+strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, c.bucket), "/"))
}

// Kind names what a request asks for: its method, and a word where the query makes it another request.
func Kind(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case query.Has("list-type"):
		return "LIST"
	case query.Has("uploads") && r.Method == http.MethodGet:
		return "LIST uploads"
	case query.Has("uploads"):
		return "CREATE upload"
	case query.Has("partNumber") && r.Method == http.MethodPut:
		return "PUT part"
	case query.Has("uploadId") && r.Method == http.MethodPost:
		return "COMPLETE upload"
	case query.Has("uploadId") && r.Method == http.MethodDelete:
		return "ABORT upload"
	case query.Has("uploadId"):
		return "LIST parts"
	case query.Has("versioning"):
		return "GET versioning"
	}
	return r.Method
}
