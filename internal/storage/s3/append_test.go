package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestUploadBroken lets bodies end in an error: what arrived is kept, also when the request is over.
func TestUploadBroken(t *testing.T) {
	t.Parallel()
	s := create(t, s3test.Config(t))
	broken := errors.New("connection lost")
	for _, size := range []int{1, 5 * mib, 5*mib + 1, 13 * mib} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			id := fmt.Sprint("u", size)
			must(t, s.CreateUpload(t.Context(), id, nil))
			ctx, cancel := context.WithCancel(t.Context())
			u, err := s.OpenUpload(ctx, id)
			must(t, err)
			want := noise(size)
			lost := readerFunc(func([]byte) (int, error) { cancel(); return 0, broken })
			n, err := u.Append(ctx, io.MultiReader(bytes.NewReader(want), lost))
			if !errors.Is(err, broken) || n != int64(size) || u.Size() != int64(size) {
				t.Errorf("append = %d, %v, size %d, want %d, %v", n, err, u.Size(), size, broken)
			}
			must(t, u.SaveState(ctx, []byte("state")))
			must(t, u.Close())
			u = openUpload(t, s, id)
			wantSize(t, u, size)
			if string(u.State()) != "state" {
				t.Errorf("state = %q, want what was saved", u.State())
			}
			commit(t, u, "blobs/"+id)
			wantObject(t, s, "blobs/"+id, want)
		})
	}
}

// TestUploadSized believes a reader that says how much it has, but not too much.
func TestUploadSized(t *testing.T) {
	t.Parallel()
	s := create(t, s3test.Config(t))
	for _, size := range []int{0, 1, 70_000, 5 * mib, 12 * mib} {
		for what, said := range map[string]int64{
			"nothing": -1, "none": 0, "one": 1, "all": int64(size), "more": int64(size) + 1000, "far-more": 1 << 40,
		} {
			t.Run(fmt.Sprintf("%d bytes, said %s", size, what), func(t *testing.T) {
				t.Parallel()
				id := fmt.Sprintf("u%d-%s", size, what)
				must(t, s.CreateUpload(t.Context(), id, nil))
				u := openUpload(t, s, id)
				want := noise(size)
				n, err := u.Append(t.Context(), &sized{Reader: iotest.DataErrReader(bytes.NewReader(want)), left: said})
				if err != nil || n != int64(size) {
					t.Fatalf("append = %d, %v, want %d", n, err, size)
				}
				commit(t, u, "blobs/"+id)
				wantObject(t, s, "blobs/"+id, want)
			})
		}
	}
}
