package s3_test

import (
	"bytes"
	"errors"
	"io"
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
