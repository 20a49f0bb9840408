package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// dataKeyOf uploads bytes and gives their key.
func dataKeyOf(t testing.TB, s *s3.Store, id string, data []byte) storage.DataKey {
	t.Helper()
	must(t, s.CreateUpload(t.Context(), id, nil))
	u := openUpload(t, s, id)
	appendTo(t, u, data)
	info, err := u.Commit(t.Context(), "blobs/"+id)
	must(t, err)
	must(t, u.Close())
	stat, err := s.Stat(t.Context(), "blobs/"+id)
	must(t, err)
	if info.DataKey == "" || stat.DataKey != info.DataKey {
		t.Fatalf("the data key is %q by commit and %q by stat", info.DataKey, stat.DataKey)
	}
	return info.DataKey
}

func TestOpenDataReads(t *testing.T) {
	t.Parallel()
	cfg, counter := s3test.Counted(t, s3test.Config(t))
	s := create(t, cfg)
	for _, size := range []int{0, 1, 100_000, 11 * mib} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want := noise(size)
			key := dataKeyOf(t, s, fmt.Sprint("u", size), want)
			r, info, err := s.OpenData(t.Context(), key)
			must(t, err)
			defer r.Close()
			if info.Size != int64(size) || info.DataKey != key {
				t.Errorf("info = %+v, want %d bytes and the key", info, size)
			}
			if size <= 100_000 {
				must(t, iotest.TestReader(r, want))
			}
			for _, from := range []int64{0, int64(size) / 2, int64(size)} {
				_, err := r.Seek(from, io.SeekStart)
				must(t, err)
				got, err := io.ReadAll(r)
				must(t, err)
				if !bytes.Equal(got, want[from:]) {
					t.Errorf("from %d it has %d bytes, want %d, or they differ", from, len(got), len(want[from:]))
				}
			}
			if _, err := r.Seek(-1, io.SeekStart); err == nil {
				t.Error("a seek before the start: no error, want one")
			}
		})
	}
	t.Run("by one request", func(t *testing.T) {
		key := dataKeyOf(t, s, "one", []byte("12345"))
		counter.Take()
		r, _, err := s.OpenData(t.Context(), key)
		must(t, err)
		_, err = io.ReadAll(r)
		must(t, errors.Join(err, r.Close()))
		if got := counter.Take(); got["GET"] != 1 || len(got) != 1 {
			t.Errorf("requests are %v, want one GET", got)
		}
	})
	t.Run("what is gone does not exist", func(t *testing.T) {
		key := dataKeyOf(t, s, "gone", []byte("12345"))
		must(t, s.Delete(t.Context(), "blobs/gone", storage.DeleteOptions{}))
		if r, _, err := s.OpenData(t.Context(), key); !errors.Is(err, storage.ErrNotExist) || r != nil {
			t.Errorf("open of what is gone: %v, want %v and no reader", err, storage.ErrNotExist)
		}
	})
}

// TestAPartOfDataIsAskedForAlone: whoever reads parts has the service send no more than these.
func TestAPartOfDataIsAskedForAlone(t *testing.T) {
	t.Parallel()
	ranges := make(chan string, 100)
	cfg := s3test.Proxied(t, s3test.Config(t), func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, s3.BytesDir) {
				ranges <- r.Header.Get("Range")
			}
			service.ServeHTTP(w, r)
		})
	})
	s := create(t, cfg)
	want := noise(1000)
	r, _, err := s.OpenData(t.Context(), dataKeyOf(t, s, "u", want))
	must(t, err)
	defer r.Close()
	<-ranges
	for _, step := range []struct {
		from, until int64
		asks        string
	}{
		{0, 10, "none"}, // the open has asked for the whole
		{10, 20, "bytes=10-19"},
		{20, 30, "bytes=20-29"},
		{500, 2000, "bytes=500-"},
		{500, 501, "bytes=500-500"},
		{500, 1000, "bytes=500-"},
		{0, 5, "bytes=0-4"},
	} {
		_, err := r.Seek(step.from, io.SeekStart)
		must(t, err)
		r.(interface{ Until(end int64) }).Until(step.until)
		got, err := io.ReadAll(r)
		must(t, err)
		if end := min(step.until, 1000); !bytes.Equal(got, want[step.from:end]) {
			t.Errorf("%+v: got %d other bytes, want %d", step, len(got), end-step.from)
		}
		asked := "none"
		if len(ranges) > 0 {
			asked = <-ranges
		}
		if asked != step.asks || len(ranges) > 0 {
			t.Errorf("%+v: the service was asked for %s and %d more", step, asked, len(ranges))
		}
	}
}

// TestDataKeyForms refuses every data key that this package did not write: they come back from records.
func TestDataKeyForms(t *testing.T) {
	t.Parallel()
	s := open(t, offline())
	for _, key := range []storage.DataKey{
		"", ":", "::", "5", "5:etag", "5:etag:", "5::_bytes/a~1", "-1:etag:_bytes/a~1", "+5:etag:_bytes/a~1", "05:etag:_bytes/a~1",
		"5:etag:_bytes/a", "5:etag:_bytes/~1", "5:etag:_bytes/a~", "5:etag:_bytes/../a~1", "5:etag:_bytes/a/b~1", "5:etag:_bytes/a~1/b",
		"5:etag:_uploads/a~1", "5:etag:blobs/a~1", "5:etag:/_bytes/a~1", `5:"etag":_bytes/a~1`, "5:e tag:_bytes/a~1", "5:etag\n:_bytes/a~1",
		"99999999999999999999:etag:_bytes/a~1", storage.DataKey("5:" + strings.Repeat("e", 200) + ":_bytes/a~1"),
	} {
		if _, _, err := s.OpenData(t.Context(), key); !errors.Is(err, storage.ErrKey) {
			t.Errorf("open %q: %v, want %v", key, err, storage.ErrKey)
		}
		if _, err := s.Presign(t.Context(), key, storage.PresignOptions{}); !errors.Is(err, storage.ErrKey) {
			t.Errorf("presign %q: %v, want %v", key, err, storage.ErrKey)
		}
	}
}

// offline is the config of a service that does not answer.
func offline() s3.Config {
	cfg := s3.DefaultConfig()
	cfg.Endpoint, cfg.Bucket, cfg.PathStyle = "http://127.0.0.1:1", "bucket", true
	cfg.AccessKeyID, cfg.SecretAccessKey = s3test.AccessKeyID, secret.New(s3test.SecretAccessKey)
	return cfg
}

// TestOpenDataHostile lets the service answer wrongly: no answer is taken for the bytes, nor a short one for
// all of them.
func TestOpenDataHostile(t *testing.T) {
	t.Parallel()
	data := noise(100_000)
	type answer = func(w http.ResponseWriter, r *http.Request, service http.Handler)
	edited := func(edit func(h http.Header)) answer {
		return func(w http.ResponseWriter, r *http.Request, service http.Handler) {
			service.ServeHTTP(&editor{ResponseWriter: w, edit: edit}, r)
		}
	}
	for _, c := range []struct {
		name   string
		from   int64
		answer answer
	}{
		{"a wrong etag", 0, edited(func(h http.Header) { h.Set("ETag", `"0123456789abcdef0123456789abcdef"`) })},
		{"no etag", 0, edited(func(h http.Header) { h.Del("ETag") })},
		{"a wrong length", 0, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("ETag", etagOf(r))
			_, _ = w.Write(data[:500])
		}},
		{"a truncated body", 0, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("ETag", etagOf(r))
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			_, _ = w.Write(data[:500])
			panic(http.ErrAbortHandler)
		}},
		{"the whole for a range", 100, func(w http.ResponseWriter, r *http.Request, service http.Handler) {
			r.Header.Del("Range")
			w.Header().Set("ETag", etagOf(r))
			_, _ = w.Write(data)
		}},
		{"another range", 100, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("ETag", etagOf(r))
			w.Header().Set("Content-Length", fmt.Sprint(len(data)-100))
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(data)-101, len(data)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(data[:len(data)-100])
		}},
		{"other bytes since", 0, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.WriteHeader(http.StatusPreconditionFailed)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var hostile atomic.Bool
			cfg := s3test.Proxied(t, s3test.Config(t), func(service http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if hostile.Load() && r.Method == http.MethodGet && strings.Contains(r.URL.Path, s3.BytesDir) {
						c.answer(w, r, service)
						return
					}
					service.ServeHTTP(w, r)
				})
			})
			cfg.MaxAttempts = 1
			s := create(t, cfg)
			dataKeyOf(t, s, "u", data)
			hostile.Store(true)
			r, _, err := s.Open(t.Context(), "blobs/u")
			must(t, err)
			defer r.Close()
			_, err = r.Seek(c.from, io.SeekStart)
			must(t, err)
			if got, err := io.ReadAll(r); err == nil {
				t.Errorf("read of %d bytes: no error, want one", len(got))
			}
		})
	}
}

// etagOf is what the request is conditional on.
func etagOf(r *http.Request) string { return r.Header.Get("If-Match") }

// editor changes the head of an answer.
type editor struct {
	http.ResponseWriter
	edit func(http.Header)
	done bool
}

func (e *editor) WriteHeader(status int) {
	if !e.done {
		e.done = true
		e.edit(e.Header())
	}
	e.ResponseWriter.WriteHeader(status)
}
