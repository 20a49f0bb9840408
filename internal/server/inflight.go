package server

import (
	"sync"
	"sync/atomic"
)

// inFlight counts what is under way: the requests of a generation, or the connections of an http.Server.
// Once it is retired, ended is closed as soon as nothing is under way.
type inFlight struct {
	count   atomic.Int64
	retired atomic.Bool
	end     sync.Once
	ended   chan struct{}
}

func newInFlight() *inFlight { return &inFlight{ended: make(chan struct{})} }

func (f *inFlight) enter() { f.count.Add(1) }

func (f *inFlight) leave() {
	if f.count.Add(-1) == 0 && f.retired.Load() {
		f.end.Do(func() { close(f.ended) })
	}
}

// retire is called when nothing enters any more, but for those that leave at once.
func (f *inFlight) retire() <-chan struct{} {
	f.retired.Store(true)
	if f.count.Load() == 0 {
		f.end.Do(func() { close(f.ended) })
	}
	return f.ended
}

// over says that it was retired and that nothing is under way.
func (f *inFlight) over() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

func countOf(all []*inFlight) (count int64) {
	for _, f := range all {
		count += f.count.Load()
	}
	return count
}
