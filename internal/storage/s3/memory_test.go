package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestUploadMemory has many more uploads at once than there is memory for: all end, and none takes more.
func TestUploadMemory(t *testing.T) {
	const uploads, size, limit = 50, 20 * mib, 40 * mib
	server := s3test.Start(t)
	cfg := server.Config(t)
	cfg.UploadMemory = limit
	s := create(t, cfg)
	data := noise(size)
	for _, said := range []string{"of known size", "of unknown size"} {
		t.Run(said, func(t *testing.T) {
			runtime.GC()
			before := heap()
			var most, mostHeap atomic.Int64
			var wg sync.WaitGroup
			for i := range uploads {
				wg.Go(func() {
					id := fmt.Sprintf("u%d-%d", len(said), i)
					if err := s.CreateUpload(t.Context(), id, nil); err != nil {
						t.Error(err)
						return
					}
					u, err := s.OpenUpload(t.Context(), id)
					if err != nil {
						t.Error(err)
						return
					}
					defer u.Close()
					watched := readerFunc(func() func([]byte) (int, error) {
						r := bytes.NewReader(data)
						return func(p []byte) (int, error) {
							raise(&most, s.UploadMemory(limit))
							raise(&mostHeap, heap()-before)
							return r.Read(p[:min(len(p), mib)])
						}
					}())
					var body io.Reader = watched
					if said == "of known size" {
						body = &sized{Reader: watched, left: size}
					}
					if n, err := u.Append(t.Context(), body); err != nil || n != size {
						t.Errorf("append = %d, %v, want %d", n, err, size)
					}
					if _, err := u.Commit(t.Context(), "blobs/"+id); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			t.Logf("%d uploads of %d MiB took %s, and %s of heap", uploads, size/mib, bytesize.Size(most.Load()), bytesize.Size(mostHeap.Load()))
			if most.Load() > limit || most.Load() < limit/4 {
				t.Errorf("%s were reserved at most, want up to %s", bytesize.Size(most.Load()), bytesize.Size(limit))
			}
			if mostHeap.Load() > 6*limit {
				t.Errorf("the heap grew by %s, want little more than what is reserved and not collected yet, %s", bytesize.Size(mostHeap.Load()), bytesize.Size(limit))
			}
			if left := s.UploadMemory(limit); left != 0 {
				t.Errorf("%d bytes are still reserved", left)
			}
		})
	}
	wantObject(t, s, "blobs/u13-7", data)
}

// TestUploadStalled lets one client send nothing for as long as others work.
func TestUploadStalled(t *testing.T) {
	t.Parallel()
	cfg := s3test.Config(t)
	cfg.UploadMemory = 2 * cfg.PartSize
	s := create(t, cfg)
	stalled, resume := make(chan struct{}), make(chan struct{})
	ended := make(chan struct{})
	must(t, s.CreateUpload(t.Context(), "stalled", nil))
	go func() { // ends when the others have, and its body does
		defer close(ended)
		u, err := s.OpenUpload(t.Context(), "stalled")
		if err != nil {
			t.Error(err)
			return
		}
		defer u.Close()
		wait := readerFunc(func([]byte) (int, error) { close(stalled); <-resume; return 0, io.EOF })
		if n, err := u.Append(t.Context(), io.MultiReader(bytes.NewReader(noise(8*mib)), wait)); err != nil || n != 8*mib {
			t.Errorf("append of the stalled = %d, %v", n, err)
		}
		if _, err := u.Commit(t.Context(), "blobs/stalled"); err != nil {
			t.Error(err)
		}
	}()
	<-stalled
	for i := range 3 {
		id := fmt.Sprint("u", i)
		must(t, s.CreateUpload(t.Context(), id, nil))
		u := openUpload(t, s, id)
		appendTo(t, u, noise(12*mib))
		commit(t, u, "blobs/"+id)
		wantObject(t, s, "blobs/"+id, noise(12*mib))
	}
	close(resume)
	<-ended
	wantObject(t, s, "blobs/stalled", noise(8*mib))
}

// TestUploadMemoryForGrowth has two uploads of unknown size want more memory while both hold all that there is.
func TestUploadMemoryForGrowth(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	cfg.UploadMemory = 2 * cfg.PartSize
	s := create(t, cfg)
	const uploads = 39 // of 260 KiB at first: as much as there is
	var ready, wg sync.WaitGroup
	ready.Add(uploads)
	for i := range uploads {
		id := fmt.Sprint("u", i)
		must(t, s.CreateUpload(t.Context(), id, nil))
		wg.Go(func() {
			u, err := s.OpenUpload(t.Context(), id)
			if err != nil {
				t.Error(err)
				return
			}
			defer u.Close()
			together := readerFunc(func([]byte) (int, error) { ready.Done(); ready.Wait(); return 0, io.EOF })
			body := io.MultiReader(bytes.NewReader(noise(100_000)), together, bytes.NewReader(noise(2*mib)))
			if n, err := u.Append(t.Context(), body); err != nil || n != 100_000+2*mib {
				t.Errorf("append = %d, %v", n, err)
			}
			if _, err := u.Commit(t.Context(), "blobs/"+id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantObject(t, s, "blobs/u1", append(noise(100_000), noise(2*mib)...))
	if left := s.UploadMemory(int64(cfg.UploadMemory)); left != 0 {
		t.Errorf("%d bytes are still reserved", left)
	}
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func raise(to *atomic.Int64, value int64) {
	for {
		now := to.Load()
		if value <= now || to.CompareAndSwap(now, value) {
			return
		}
	}
}
