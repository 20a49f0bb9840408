package memory

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/storage"
)

// What it costs to keep a thing beside its bytes and its key, in bytes: measured, and rounded up, by
// TestTheLimitHoldsForTheMemoryThatIsUsed.
const (
	perObject  = 224
	perChunk   = 64
	perSession = 384
)

const noLimit = math.MaxInt64

// spareShare is the part of the limit that uploads and drafts leave free, and spareMost the most of it in
// bytes: a delete and a collection write a little before they free something.
const (
	spareShare = 16
	spareMost  = 16 << 20
)

// room counts the bytes that are in use, and refuses what goes beyond a limit.
type room struct {
	limit int64
	spare int64 // left free by uploads and drafts
	used  atomic.Int64
}

func newRoom(limit bytesize.Size) room {
	if limit == 0 {
		return room{limit: noLimit}
	}
	return room{limit: int64(limit), spare: min(int64(limit)/spareShare, spareMost)}
}

// take counts bytes before they are used.
func (r *room) take(n int64) error { return r.takeBelow(r.limit, n) }

// takeForPush is take for what a push consists of.
func (r *room) takeForPush(n int64) error { return r.takeBelow(r.limit-r.spare, n) }

func (r *room) takeBelow(limit, n int64) error {
	for {
		used := r.used.Load()
		if n > limit-used {
			return fmt.Errorf("%w: %d bytes of %s are in use", storage.ErrNoSpace, used, bytesize.Size(r.limit))
		}
		if r.used.CompareAndSwap(used, used+n) {
			return nil
		}
	}
}

// giveBack is the end of bytes that were taken.
func (r *room) giveBack(n int64) { r.used.Add(-n) }
