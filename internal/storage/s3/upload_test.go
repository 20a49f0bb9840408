package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

const mib = 1 << 20

// TestUploadRequests counts what uploads cost: each request is a wait, and money.
func TestUploadRequests(t *testing.T) {
	t.Parallel()
	cfg, counter := s3test.Counted(t, s3test.Config(t))
	s := create(t, cfg)
	small := []byte("a small blob")
	for _, c := range []struct {
		name string
		do   func(t *testing.T, id string)
		want map[string]int
	}{
		{"a session is created by one request", func(t *testing.T, id string) {
			must(t, s.CreateUpload(t.Context(), id+"x", nil))
		}, map[string]int{"PUT": 1}},
		{"a small blob in one request of the client", func(t *testing.T, id string) {
			u := openUpload(t, s, id)
			appendTo(t, u, small)
			commit(t, u, "blobs/"+id)
		}, map[string]int{"GET": 1, "PUT": 2, "DELETE": 1}},
		{"a small blob by PATCH and PUT", func(t *testing.T, id string) {
			u := openUpload(t, s, id)
			appendTo(t, u, small)
			must(t, u.SaveState(t.Context(), []byte("state")))
			must(t, u.Close())
			u = openUpload(t, s, id)
			appendTo(t, u, nil)
			commit(t, u, "blobs/"+id)
		}, map[string]int{"GET": 1 + 1, "PUT": 2 + 2, "DELETE": 1}},
		{"a blob of three parts", func(t *testing.T, id string) {
			u := openUpload(t, s, id)
			appendTo(t, u, noise(12*mib))
			commit(t, u, "blobs/"+id)
		}, map[string]int{
			"GET": 1, "CREATE upload": 1, "PUT part": 3, "PUT": 2, "COMPLETE upload": 1, "HEAD": 1, "LIST": 1, "DELETE": 1,
		}},
		{"a blob that is there already", func(t *testing.T, id string) {
			put(t, s, "blobs/twice", "12345")
			counter.Take()
			u := openUpload(t, s, id)
			appendTo(t, u, []byte("12345"))
			if commit(t, u, "blobs/twice") {
				t.Error("an object that lay there before is said to be kept by this session")
			}
		}, map[string]int{"GET": 1 + 1, "PUT": 2, "DELETE": 1 + 1}},
		{"a cancelled session", func(t *testing.T, id string) {
			u := openUpload(t, s, id)
			appendTo(t, u, small)
			must(t, u.Cancel(t.Context()))
			must(t, u.Close())
		}, map[string]int{"GET": 1, "PUT": 1, "LIST": 1, "LIST uploads": 1}},
		{"a session that is only looked at", func(t *testing.T, id string) {
			_, _, err := s.StatUpload(t.Context(), id)
			must(t, err)
			must(t, openUpload(t, s, id).Close())
		}, map[string]int{"GET": 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := strings.ReplaceAll(c.name, " ", "-")
			must(t, s.CreateUpload(t.Context(), id, []byte("label")))
			counter.Take()
			c.do(t, id)
			requests := counter.Requests()
			if got := counter.Take(); !maps.Equal(got, c.want) {
				t.Errorf("requests are\n got %v\nwant %v:\n%s", got, c.want, strings.Join(requests, "\n"))
			}
		})
	}
}

// TestUploadHops lets two processes take turns with one session, in pieces that fit nothing. No tail that
// one leaves to the other is as large as a part.
func TestUploadHops(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	stores := []*s3.Store{create(t, cfg), create(t, cfg)}
	const part = 5 * mib
	for _, c := range []struct {
		name   string
		pieces []int
		state  bool
	}{
		{"small and large", []int{1, 3*mib + 7, 0, part + mib + 1, 100, part}, true},
		{"exact parts", []int{part, part, part, 2 * mib}, true},
		{"exact parts without notes", []int{part, 0, part}, false},
		{"all at once", []int{17 * mib}, false},
		{"without notes", []int{11 * mib, 1, 6*mib - 1}, false},
		{"less than a part", []int{1000, 1000, 1000}, true},
		{"a part in pieces", []int{mib, mib, mib, mib, mib, mib, mib}, true},
		{"a part in pieces without notes", []int{mib, 2 * mib, 2 * mib, 0, mib}, false},
		{"to a byte less than a part", []int{part - 2, 1}, true},
		{"a byte less than a part, and two", []int{part - 1, 2}, true},
		{"a byte less than a part, and one by one", []int{part - 1, 1, 1, 1}, true},
		{"a byte less than a part, twice", []int{part - 1, part - 1}, true},
		{"a byte more than a part", []int{part + 1, part - 1, 1}, true},
		{"a part over a tail", []int{3, part, part}, true},
		{"many tiny ones over the edge", append([]int{part - 20}, slices.Repeat([]int{1}, 40)...), true},
		{"tiny ones by the dozen", slices.Repeat([]int{7}, 40), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := strings.NewReplacer(" ", "-", ",", "").Replace(c.name)
			must(t, stores[0].CreateUpload(t.Context(), id, nil))
			var want []byte
			for i, size := range c.pieces {
				u := openUpload(t, stores[i%2], id)
				wantSize(t, u, len(want))
				piece := noise(size)
				appendTo(t, u, piece)
				want = append(want, piece...)
				if c.state {
					must(t, u.SaveState(t.Context(), []byte(fmt.Sprint(i))))
				}
				must(t, u.Close())
				wantTails(t, server, cfg, id, part)
			}
			u := openUpload(t, stores[1], id)
			if got := string(u.State()); c.state && got != fmt.Sprint(len(c.pieces)-1) {
				t.Errorf("state = %q, want that of the last piece", got)
			}
			if !commit(t, u, "blobs/"+id) {
				t.Error("the object is said not to be kept by its session")
			}
			wantObject(t, stores[0], "blobs/"+id, want)
			wantBytes(t, server, cfg, id, 1)
			wantNoMultiparts(t, server, cfg, id)
		})
	}
	for i, s := range stores {
		if left := s.UploadMemory(int64(cfg.UploadMemory)); left != 0 {
			t.Errorf("store %d: %d bytes are still reserved", i, left)
		}
	}
}

// TestUploadAcrossPartSizes hands sessions to processes whose part_size is another one.
func TestUploadAcrossPartSizes(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	small := server.Config(t)
	large := small
	large.PartSize = 12 * bytesize.MiB
	huge := small
	huge.PartSize, huge.UploadMemory = 64*bytesize.MiB, 128*bytesize.MiB
	stores := map[string]*s3.Store{"small": create(t, small), "large": create(t, large), "huge": create(t, huge)}
	for _, c := range []struct {
		name   string
		pieces []int
		by     []string
		last   string // who commits
	}{
		{"smaller in the middle", []int{11 * mib, 2 * mib, 3}, []string{"large", "small", "large"}, "small"},
		{"smaller at the end", []int{11 * mib}, []string{"large"}, "small"},
		{"smaller behind parts", []int{13 * mib, 9 * mib, 1}, []string{"large", "large", "small"}, "small"},
		{"larger than all memory", []int{45 * mib, 1, 1}, []string{"huge", "small", "huge"}, "small"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := strings.ReplaceAll(c.name, " ", "-")
			must(t, stores["small"].CreateUpload(t.Context(), id, nil))
			var want []byte
			for i, size := range c.pieces {
				u := openUpload(t, stores[c.by[i]], id)
				appendTo(t, u, noise(size))
				want = append(want, noise(size)...)
				must(t, u.SaveState(t.Context(), nil))
				must(t, u.Close())
			}
			commit(t, openUpload(t, stores[c.last], id), "blobs/"+id)
			wantObject(t, stores["large"], "blobs/"+id, want)
			wantBytes(t, server, small, id, 1)
		})
	}
	if left := stores["small"].UploadMemory(int64(small.UploadMemory)); left != 0 {
		t.Errorf("%d bytes are still reserved", left)
	}
}

// sized says what it was told to say.
type sized struct {
	io.Reader
	left int64
}

func (s *sized) Remaining() int64 { return s.left }

func (s *sized) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if s.left >= 0 {
		s.left = max(s.left-int64(n), 0)
	}
	return n, err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// noise is the same for each size.
func noise(size int) []byte {
	b := make([]byte, size)
	var seed [32]byte
	copy(seed[:], fmt.Sprint(size))
	_, _ = rand.NewChaCha8(seed).Read(b)
	return b
}

func openUpload(t testing.TB, s *s3.Store, id string) storage.Upload {
	t.Helper()
	u, err := s.OpenUpload(t.Context(), id)
	must(t, err)
	t.Cleanup(func() { u.Close() })
	return u
}

func appendTo(t testing.TB, u storage.Upload, data []byte) {
	t.Helper()
	n, err := u.Append(t.Context(), bytes.NewReader(data))
	if err != nil || n != int64(len(data)) {
		t.Fatalf("append = %d, %v, want %d", n, err, len(data))
	}
}

// commit ends a session, and says what Finish does.
func commit(t testing.TB, u storage.Upload, key string) (kept bool) {
	t.Helper()
	size := u.Size()
	info, err := u.Commit(t.Context(), key)
	must(t, err)
	if info.Size != size || info.State != storage.Live || time.Since(info.ModTime).Abs() > time.Minute {
		t.Errorf("commit = %+v, want %d bytes, live, of now", info, size)
	}
	kept, err = u.Finish(t.Context())
	must(t, err)
	must(t, u.Close())
	return kept
}

func wantSize(t testing.TB, u storage.Upload, want int) {
	t.Helper()
	if u.Size() != int64(want) {
		t.Fatalf("size = %d, want %d", u.Size(), want)
	}
}

func wantObject(t testing.TB, s *s3.Store, key string, want []byte) {
	t.Helper()
	r, info, err := s.Open(t.Context(), key)
	must(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	must(t, err)
	if !bytes.Equal(got, want) || info.Size != int64(len(want)) {
		t.Errorf("%s has %d bytes, %d by its info, want %d, or they differ", key, len(got), info.Size, len(want))
	}
}

// wantBytes looks how many objects the session has.
func wantBytes(t testing.TB, server *s3test.Server, cfg s3.Config, id string, want int) {
	t.Helper()
	if got := keys(t, server, cfg, s3.BytesDir+id); len(got) != want {
		t.Errorf("the bytes are %q, want %d", got, want)
	}
}

// wantTails wants the objects of a session that goes on to be smaller than a part.
func wantTails(t testing.TB, server *s3test.Server, cfg s3.Config, id string, part int64) {
	t.Helper()
	out, err := server.Client().ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{
		Bucket: &cfg.Bucket, Prefix: aws.String(prefixOf(cfg) + s3.BytesDir + id + "~"),
	})
	must(t, err)
	for _, object := range out.Contents {
		if size := aws.ToInt64(object.Size); size >= part {
			t.Errorf("%s has %d bytes, want less than a part", aws.ToString(object.Key), size)
		}
	}
}

func wantNoMultiparts(t testing.TB, server *s3test.Server, cfg s3.Config, id string) {
	t.Helper()
	out, err := server.Client().ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: &cfg.Bucket})
	must(t, err)
	for _, m := range out.Uploads {
		if strings.Contains(aws.ToString(m.Key), id) {
			t.Errorf("a multipart upload is left: %s", aws.ToString(m.Key))
		}
	}
}

// keys lists what lies in the bucket.
func keys(t testing.TB, server *s3test.Server, cfg s3.Config, prefix string) []string {
	t.Helper()
	out, err := server.Client().ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{
		Bucket: &cfg.Bucket, Prefix: aws.String(prefixOf(cfg) + prefix),
	})
	must(t, err)
	var all []string
	for _, object := range out.Contents {
		all = append(all, strings.TrimPrefix(aws.ToString(object.Key), prefixOf(cfg)))
	}
	slices.Sort(all)
	return all
}

func prefixOf(cfg s3.Config) string {
	if cfg.Prefix == "" {
		return ""
	}
	return strings.Trim(cfg.Prefix, "/") + "/"
}

// BenchmarkUpload is what a push of a blob costs beside the registry's own work, by 16 clients at once.
func BenchmarkUpload(b *testing.B) {
	cfg := s3test.Config(b)
	cfg.PartSize, cfg.UploadMemory = 16*bytesize.MiB, 512*bytesize.MiB
	s := create(b, cfg)
	var n atomic.Int64
	for _, size := range []int{1000, mib, 20 * mib} {
		data := noise(size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := fmt.Sprint("u", n.Add(1))
					must(b, s.CreateUpload(b.Context(), id, nil))
					u, err := s.OpenUpload(b.Context(), id)
					must(b, err)
					_, err = u.Append(b.Context(), &sized{Reader: bytes.NewReader(data), left: int64(size)})
					must(b, err)
					_, err = u.Commit(b.Context(), "blobs/"+id)
					must(b, err)
					_, err = u.Finish(b.Context())
					must(b, err)
					must(b, u.Close())
				}
			})
		})
	}
}
