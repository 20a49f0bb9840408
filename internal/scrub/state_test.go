package scrub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/storage"
)

// counting is a Store that counts how often each blob was read to its end, and may interrupt a reader.
type counting struct {
	storage.Store
	interrupt func(opened int)

	mu     sync.Mutex
	opened int            // guarded by mu
	read   map[string]int // guarded by mu
}

func (c *counting) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	content, info, err := c.Store.Open(ctx, key)
	if err != nil || !strings.HasPrefix(key, "_blobs/") {
		return content, info, err
	}
	c.mu.Lock()
	c.opened++
	opened := c.opened
	c.mu.Unlock()
	c.interrupt(opened)
	return &countedContent{ReadSeekCloser: content, atEnd: func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.read[key]++
	}}, info, nil
}

type countedContent struct {
	io.ReadSeekCloser
	atEnd func()
}

func (c *countedContent) Read(p []byte) (int, error) {
	n, err := c.ReadSeekCloser.Read(p)
	if errors.Is(err, io.EOF) {
		c.atEnd()
	}
	return n, err
}

func TestAnInterruptedRunGoesOnAndHashesEachBlobOnce(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4} {
		for _, at := range []int{1, 7, 20} {
			t.Run(fmt.Sprintf("%d workers, interrupted at blob %d", workers, at), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				for i := range 20 {
					w.pushBlob(app, fmt.Sprint(i))
				}
				w.flip(blobKey(digest("3")))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				count := &counting{read: map[string]int{}, interrupt: func(opened int) {
					if opened == at {
						cancel()
					}
				}}
				beside := openWorld(t, w.at, func(s storage.Store) storage.Store {
					count.Store = s
					return count
				}, registry.DefaultConfig())
				opts := scrub.Options{Concurrency: workers, SaveEvery: time.Nanosecond}
				_, err := scrub.Run(ctx, beside.reg.Maintenance(), opts)
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("got %v, want it interrupted", err)
				}
				report, err := scrub.Run(t.Context(), beside.reg.Maintenance(), opts)
				if err != nil {
					t.Fatal(err)
				}
				if !report.Resumed || report.Objects[registry.KindBlob] != 20 {
					t.Errorf("resumed: %v, with %d blobs in all, want 20", report.Resumed, report.Objects[registry.KindBlob])
				}
				w.wantCodes(report, scrub.CodeCorruptBlob)
				once, more := 0, 0
				for key, n := range count.read {
					switch {
					case n == 1:
						once++
					case key != blobKey(digest("3")) && n > 1+workers:
						more++
					}
				}
				// The readers that were interrupted may have come to an end that was not noted any more.
				if len(count.read) != 20 || once < 19-workers || more > 0 {
					t.Errorf("got %d blobs read, %d of them once, want 20 and all but those that were interrupted: %v", len(count.read), once, count.read)
				}
				if state, err := w.reg.Maintenance().VerifyState(t.Context()); err != nil || state != nil {
					t.Errorf("the word of the interrupted run: got %q, %v, want none any more", state, err)
				}
			})
		}
	}
}

func TestARunThatWantsSomethingElseBeginsAnew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		next   scrub.Options
		resume bool
	}{
		{"the same", scrub.Options{}, true},
		{"restart", scrub.Options{Restart: true}, false},
		{"repair", scrub.Options{Repair: true}, false},
		{"quick", scrub.Options{Quick: true}, false},
		{"one repository", scrub.Options{Repository: app}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pushAll()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := scrub.Run(ctx, w.reg.Maintenance(), scrub.Options{}); err == nil {
				t.Fatal("got success, want it interrupted")
			}
			w.must(w.reg.Maintenance().KeepVerifyState(t.Context(), []byte(`{"part":"blobs","last":"_blobs/sha256/ff/ff","report":{"objects":{},"counts":{}}}`)))
			if got := w.verify(c.next).Resumed; got != c.resume {
				t.Errorf("resumed: got %v, want %v", got, c.resume)
			}
		})
	}
}

func TestAWordOfAnInterruptedRunThatCannotBeReadIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	w.must(w.reg.Maintenance().KeepVerifyState(t.Context(), []byte("{")))
	w.wantCodes(w.verify(scrub.Options{}))
}
