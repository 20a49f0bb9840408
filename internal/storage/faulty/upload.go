package faulty

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/sreg-project/sreg/internal/storage"
)

// CreateUpload is a writing step.
func (s *Store) CreateUpload(ctx context.Context, id string, label []byte) error {
	return s.in.write("create upload", func() error { return s.inner.CreateUpload(ctx, id, label) })
}

// OpenUpload is a reading step.
func (s *Store) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	if err := s.in.read("open upload"); err != nil {
		return nil, err
	}
	u, err := s.inner.OpenUpload(ctx, id)
	if err != nil {
		return nil, err
	}
	return &upload{Upload: u, in: s.in}, nil
}

// StatUpload is a reading step.
func (s *Store) StatUpload(ctx context.Context, id string) (storage.Session, []byte, error) {
	if err := s.in.read("stat upload"); err != nil {
		return storage.Session{}, nil, err
	}
	return s.inner.StatUpload(ctx, id)
}

// ListUploads is a reading step when it begins.
func (s *Store) ListUploads(ctx context.Context) iter.Seq2[storage.Session, error] {
	return listing(s.in, "list uploads", s.inner.ListUploads(ctx))
}

// upload breaks the steps of a session. Its Close is the inner one: whoever dies gives the session
// up.
type upload struct {
	storage.Upload
	in *Injector
}

// Append is a writing step. Broken before its end, it has taken the first piece of the bytes.
func (u *upload) Append(ctx context.Context, r io.Reader) (n int64, err error) {
	const what = "append to upload"
	switch v := u.in.step(what); v {
	case pass:
		return u.Upload.Append(ctx, r)
	case cutBefore:
		return 0, u.in.failure(what, v)
	case failLast:
		n, err = u.Upload.Append(ctx, r)
		return n, errors.Join(err, u.in.failure(what, v))
	default:
		return u.Upload.Append(ctx, &torn{r: r, err: u.in.failure(what, v)})
	}
}

// Content is a reading step.
func (u *upload) Content(ctx context.Context) (io.ReadCloser, error) {
	if err := u.in.read("read upload"); err != nil {
		return nil, err
	}
	return u.Upload.Content(ctx)
}

// SaveState is a writing step.
func (u *upload) SaveState(ctx context.Context, state []byte) error {
	return u.in.write("save upload state", func() error { return u.Upload.SaveState(ctx, state) })
}

// Commit is a writing step.
func (u *upload) Commit(ctx context.Context, key string) (info storage.Info, err error) {
	err = u.in.write("commit "+key, func() (err error) {
		info, err = u.Upload.Commit(ctx, key)
		return err
	})
	return info, err
}

// Finish is a writing step.
func (u *upload) Finish(ctx context.Context) (kept bool, err error) {
	err = u.in.write("finish upload", func() (err error) {
		kept, err = u.Upload.Finish(ctx)
		return err
	})
	return kept, err
}

// Cancel is a writing step.
func (u *upload) Cancel(ctx context.Context) error {
	return u.in.write("cancel upload", func() error { return u.Upload.Cancel(ctx) })
}

// torn gives half of the first read and then an error.
type torn struct {
	r    io.Reader
	err  error
	over bool
}

func (t *torn) Read(b []byte) (int, error) {
	if t.over {
		return 0, t.err
	}
	t.over = true
	n, err := t.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	return n / 2, nil
}
