package server

import (
	"context"
	"net/http"
	"sync/atomic"
)

// slot is one of the places of the requests that are worked on. A request has it but while it waits for bytes of its
// client, and not any more once a long answer has begun: however slow a client is, it keeps no other one waiting.
type slot struct {
	of    chan struct{} // has an element for each place that is taken; nil without a limit
	state atomic.Int32
}

const (
	slotFree int32 = iota
	slotTaken
	slotLent // until the client has sent something
	slotOver // for good
)

// slotOf is that of a request, as far as a server of ours serves it.
func slotOf(w http.ResponseWriter) *slot {
	if guarded, ok := w.(*response); ok {
		return &guarded.slot
	}
	return new(slot)
}

// begin notes that a place was taken, which end gives back.
func (s *slot) begin(of chan struct{}) {
	s.of = of
	s.state.Store(slotTaken)
}

// lend gives the place back for a while. takeBack must follow if it says so.
func (s *slot) lend() bool {
	if !s.state.CompareAndSwap(slotTaken, slotLent) {
		return false
	}
	<-s.of
	return true
}

// takeBack waits until a place is free. A request whose context ends meanwhile goes on without: it ends, too.
func (s *slot) takeBack(ctx context.Context) {
	select {
	case s.of <- struct{}{}:
	case <-ctx.Done():
		return
	}
	if !s.state.CompareAndSwap(slotLent, slotTaken) {
		<-s.of // the request has ended: another goroutine was reading its body
	}
}

// end gives the place back for good.
func (s *slot) end() {
	if s.state.Load() != slotFree && s.state.Swap(slotOver) == slotTaken {
		<-s.of
	}
}
