package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// cut ends a process as its service sees it: one request and all later ones fail. The last one may still
// come in, while its answer is lost.
type cut struct {
	inner    http.RoundTripper
	left     atomic.Int64
	comesIn  bool
	happened atomic.Bool
}

var errCut = errors.New("the process was killed")

func (c *cut) RoundTrip(r *http.Request) (*http.Response, error) {
	left := c.left.Add(-1)
	if left > 0 {
		return c.inner.RoundTrip(r)
	}
	c.happened.Store(true)
	if left == 0 && c.comesIn {
		if resp, err := c.inner.RoundTrip(r); err == nil {
			resp.Body.Close()
		}
	}
	return nil, errCut
}

// told is what a client of an upload was told before the process was killed.
type told struct {
	session    string
	size       int64 // saved, in bytes
	committed  bool
	cancelling bool
}

// story is an upload from its first request to its last. It ends at the first error.
type story struct {
	name string
	data []byte
	run  func(ctx context.Context, s *s3.Store, data []byte, told *told) error
}

const crashKey = "blobs/crash"

var stories = []story{
	{"a small blob", noise(1000), func(ctx context.Context, s *s3.Store, data []byte, told *told) error {
		return write(ctx, s, told, step{data: data, commit: true})
	}},
	{"small chunks", noise(1000), func(ctx context.Context, s *s3.Store, data []byte, told *told) error {
		return write(ctx, s, told, step{data: data[:100]}, step{data: data[100:700]}, step{data: data[700:], commit: true})
	}},
	{"chunks and an empty end", noise(1000), func(ctx context.Context, s *s3.Store, data []byte, told *told) error {
		return write(ctx, s, told, step{data: data[:100]}, step{data: data[100:]}, step{commit: true})
	}},
	{"parts", noise(10*mib + 1), func(ctx context.Context, s *s3.Store, data []byte, told *told) error {
		return write(ctx, s, told, step{data: data[:5*mib+1]}, step{data: data[5*mib+1:], commit: true})
	}},
	{"parts that are read", noise(5*mib + 2), func(ctx context.Context, s *s3.Store, data []byte, told *told) error {
		return write(ctx, s, told, step{data: data[:5*mib+1], read: true}, step{data: data[5*mib+1:], commit: true})
	}},
	{"a blob that is there", noise(1000), func(ctx context.Context, s *s3.Store, data []byte, told *told) error {
		if err := write(ctx, s, told, step{data: data, commit: true}); err != nil {
			return err
		}
		if err := s.Condemn(ctx, crashKey); err != nil {
			return err
		}
		return write(ctx, s, told, step{data: data[:10]}, step{data: data[10:], commit: true})
	}},
	{"a blob that was destroyed", noise(1000), func(ctx context.Context, s *s3.Store, data []byte, told *told) error {
		if err := write(ctx, s, told, step{data: data, commit: true}); err != nil {
			return err
		}
		told.committed = false
		if err := s.Delete(ctx, crashKey, storage.DeleteOptions{}); err != nil {
			return err
		}
		return write(ctx, s, told, step{data: data, commit: true})
	}},
	{"a cancelled upload", noise(5*mib + 1), func(ctx context.Context, s *s3.Store, data []byte, told *told) error {
		return write(ctx, s, told, step{data: data[:10]}, step{data: data[10:], cancel: true})
	}},
}

// step is one request of a client.
type step struct {
	data                 []byte
	read, commit, cancel bool
}

func write(ctx context.Context, s *s3.Store, told *told, steps ...step) error {
	told.session, told.size = told.session+"u", 0
	if err := s.CreateUpload(ctx, told.session, []byte("label")); err != nil {
		return err
	}
	for _, step := range steps {
		u, err := s.OpenUpload(ctx, told.session)
		if err != nil {
			return err
		}
		err = step.do(ctx, u, told)
		if err := errors.Join(err, u.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (s step) do(ctx context.Context, u storage.Upload, told *told) error {
	if _, err := u.Append(ctx, bytes.NewReader(s.data)); err != nil {
		return err
	}
	if s.read {
		r, err := u.Content(ctx)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	switch {
	case s.cancel:
		told.cancelling = true
		return u.Cancel(ctx)
	case s.commit:
		if _, err := u.Commit(ctx, crashKey); err != nil {
			return err
		}
		told.committed = true
		_, err := u.Finish(ctx)
		return err
	}
	if err := u.SaveState(ctx, []byte("state")); err != nil {
		return err
	}
	told.size = u.Size()
	return nil
}

// TestUploadCrash kills the writer before and behind every request, and then lets another process go on,
// or end the session.
func TestUploadCrash(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	prefixed := prefixes(t, server)
	everything := os.Getenv("SREG_TEST_ALL") == "1" // else half, and of what takes long a quarter
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			for n := int64(1); ; n++ {
				happened := false
				for _, comesIn := range []bool{false, true} {
					for i, survive := range []survivor{resume, expire} {
						turn := n%2 == int64(i)
						if comesIn {
							turn = !turn && len(story.data) <= mib
						}
						if !everything && !turn {
							continue
						}
						cfg := prefixed()
						crashed := kill(t, cfg, story, n, comesIn)
						happened = happened || crashed.happened
						name := fmt.Sprintf("request %d came in %v, then %s", n, comesIn, []string{"resumed", "expired"}[i])
						t.Run(name, func(t *testing.T) {
							other := open(t, cfg)
							other.Believe()
							wantWhole(t, other, story, crashed.told)
							survive(t, other, story, crashed.told)
							wantNothingLeft(t, server, cfg, other, story)
						})
					}
				}
				if !happened {
					return
				}
			}
		})
	}
}

type crash struct {
	told     told
	happened bool
}

// kill runs the story until the n-th request.
func kill(t *testing.T, cfg s3.Config, story story, n int64, comesIn bool) (crashed crash) {
	t.Helper()
	s := open(t, cfg)
	s.Believe()
	killer := &cut{comesIn: comesIn}
	killer.left.Store(n)
	s.SetTransport(func(inner http.RoundTripper) http.RoundTripper {
		killer.inner = inner
		return killer
	})
	err := story.run(t.Context(), s, story.data, &crashed.told)
	crashed.happened = killer.happened.Load()
	if !crashed.happened && err != nil {
		t.Fatalf("without a crash: %v", err)
	}
	return crashed
}

type survivor func(t *testing.T, s *s3.Store, story story, told told)

// resume does what a client does: it asks how far the upload is, and sends the rest.
func resume(t *testing.T, s *s3.Store, story story, told told) {
	u, err := s.OpenUpload(t.Context(), told.session)
	if errors.Is(err, storage.ErrNotExist) {
		if told.size > 0 && !told.committed && !told.cancelling && !hasWhole(t, s, story) {
			t.Errorf("the session of %d bytes is gone", told.size)
		}
		return
	}
	must(t, err)
	defer u.Close()
	if u.Size() < told.size {
		t.Fatalf("resumed at %d, was told %d", u.Size(), told.size)
	}
	if _, err := u.Append(t.Context(), bytes.NewReader(story.data[u.Size():])); err != nil {
		t.Fatalf("append to what was resumed: %v", err)
	}
	r, err := u.Content(t.Context())
	must(t, err)
	got, err := io.ReadAll(r)
	err = errors.Join(err, r.Close())
	// The bytes may have gone, if Commit came so far that the object does not need them.
	if spare := errors.Is(err, storage.ErrNotExist) && hasWhole(t, s, story); !spare && (err != nil || !bytes.Equal(got, story.data)) {
		t.Errorf("the session has %d bytes, want %d, or they differ: %v", len(got), len(story.data), err)
	}
	_, err = u.Commit(t.Context(), crashKey)
	must(t, err)
	_, err = u.Finish(t.Context())
	must(t, err)
	if !hasWhole(t, s, story) {
		t.Error("what was committed is not there")
	}
}

// expire does what the collector does.
func expire(t *testing.T, s *s3.Store, _ story, told told) {
	u, err := s.OpenUpload(t.Context(), told.session)
	if errors.Is(err, storage.ErrNotExist) {
		return
	}
	must(t, err)
	must(t, errors.Join(u.Cancel(t.Context()), u.Close()))
}

// wantWhole looks that no record names bytes that are not there, and that what was told holds.
func wantWhole(t *testing.T, s *s3.Store, story story, told told) {
	t.Helper()
	if whole := hasWhole(t, s, story); told.committed && !whole {
		t.Error("what was committed is not there")
	}
}

func hasWhole(t *testing.T, s *s3.Store, story story) bool {
	t.Helper()
	r, _, err := s.Open(t.Context(), crashKey)
	if errors.Is(err, storage.ErrNotExist) {
		return false
	}
	must(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, story.data) {
		t.Errorf("a record names bytes that are not whole: %d, %v, want %d", len(got), err, len(story.data))
	}
	return true
}

// wantNothingLeft sweeps, and looks that all that is left is what the record names.
func wantNothingLeft(t *testing.T, server *s3test.Server, cfg s3.Config, s *s3.Store, story story) {
	t.Helper()
	s.ForgetTombstones()
	_, err := s.Sweep(t.Context(), 0)
	must(t, err)
	want := 0
	if hasWhole(t, s, story) {
		want = 1
	}
	if got := keys(t, server, cfg, s3.BytesDir); len(got) != want {
		t.Errorf("bytes are %q, want %d", got, want)
	}
	if got := keys(t, server, cfg, s3.UploadsDir); len(got) != 0 {
		t.Errorf("sessions are %q, want none", got)
	}
	wantNoMultiparts(t, server, cfg, strings.Trim(cfg.Prefix, "/")+"/")
}
