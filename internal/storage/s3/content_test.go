package s3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestUploadContent reads sessions at every stage, and goes on with them.
func TestUploadContent(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	s := create(t, cfg)
	for _, c := range []struct {
		name  string
		saved bool // before each reading
	}{{"in memory", false}, {"saved", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			id := strings.ReplaceAll(c.name, " ", "-")
			must(t, s.CreateUpload(t.Context(), id, nil))
			var want []byte
			for _, size := range []int{0, 10, 12 * mib, 0, 6*mib + 5, 5 * mib} {
				u := openUpload(t, s, id)
				piece := noise(size)
				appendTo(t, u, piece)
				want = append(want, piece...)
				if c.saved {
					must(t, u.Close())
					u = openUpload(t, s, id)
				}
				for range 2 {
					r, err := u.Content(t.Context())
					must(t, err)
					got, err := io.ReadAll(r)
					must(t, errors.Join(err, r.Close()))
					if !bytes.Equal(got, want) {
						t.Fatalf("content has %d bytes, want %d, or they differ", len(got), len(want))
					}
				}
				wantSize(t, u, len(want))
				must(t, u.Close())
			}
			commit(t, openUpload(t, s, id), "blobs/"+id)
			wantObject(t, s, "blobs/"+id, want)
			wantBytes(t, server, cfg, id, 1)
			wantNoMultiparts(t, server, cfg, id)
		})
	}
}

// TestACopyNamesItsSourceEscaped has a prefix whose characters mean something else in a header: the SDK sends the
// source of a copy as it is given.
func TestACopyNamesItsSourceEscaped(t *testing.T) {
	t.Parallel()
	var sources []string
	cfg := s3test.Proxied(t, s3test.Config(t), func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if source := r.Header.Get("X-Amz-Copy-Source"); source != "" {
				sources = append(sources, source) // by one request at a time
			}
			service.ServeHTTP(w, r)
		})
	})
	cfg.Prefix = "a b+c%2F&=ü"
	s := create(t, cfg)
	must(t, s.CreateUpload(t.Context(), "upload", nil))
	u := openUpload(t, s, "upload")
	first, second := noise(6*mib), noise(7*mib)
	appendTo(t, u, first)
	r, err := u.Content(t.Context()) // joins the parts, so that what follows begins with a copy
	must(t, err)
	must(t, r.Close())
	appendTo(t, u, second)
	commit(t, u, "blobs/odd")
	wantObject(t, s, "blobs/odd", slices.Concat(first, second))
	const want = "/a%20b%2Bc%252F%26%3D%C3%BC/_bytes/upload~"
	if len(sources) != 1 || !strings.HasPrefix(sources[0], cfg.Bucket+want) {
		t.Errorf("got the sources %q, want one that begins with %q", sources, cfg.Bucket+want)
	}
}
