package scrub_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/storage"
)

// badSector is a Store that cannot read one object.
type badSector struct {
	storage.Store
	key string
}

func (b *badSector) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	if key == b.key {
		return nil, storage.Info{}, errors.New("input/output error")
	}
	return b.Store.Open(ctx, key)
}

func TestWhatCannotBeReadIsAFindingAndTheRunGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	unreadable := blobKey(digest("layer one"))
	w.flip(blobKey(digest("layer two")))
	beside := openWorld(t, w.at, func(s storage.Store) storage.Store { return &badSector{s, unreadable} }, registry.DefaultConfig())
	report := beside.verify(scrub.Options{})
	beside.wantCodes(report, scrub.CodeCorruptBlob, scrub.CodeUnreadable)
	for _, f := range report.Findings {
		if f.Code == scrub.CodeUnreadable && (f.Key != unreadable || !strings.Contains(f.Problem, "input/output error")) {
			t.Errorf("got %+v, want the key and what the store said", f)
		}
	}
}

func TestProgressIsToldByOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	var telling atomic.Int64
	var told []scrub.Progress
	w.verify(scrub.Options{Progress: func(p scrub.Progress) {
		if telling.Add(1) > 1 {
			t.Error("two tell it at once")
		}
		told = append(told, p)
		telling.Add(-1)
	}})
	if len(told) == 0 || told[0].Phase != "blobs" || told[0].Objects == 0 {
		t.Errorf("got %+v, want the first objects among the blobs", told)
	}
}
