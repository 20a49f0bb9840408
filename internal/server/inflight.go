package server

import (
	"sync/atomic"
	"time"
)

// inFlight counts requests, so that a shut-down can wait for those whose connection it cut.
type inFlight struct {
	running atomic.Int64
	left    atomic.Pointer[chan struct{}] // set while somebody waits
}

func (f *inFlight) enter() { f.running.Add(1) }

func (f *inFlight) leave() {
	if f.running.Add(-1) > 0 {
		return
	}
	if left := f.left.Load(); left != nil {
		select {
		case *left <- struct{}{}:
		default:
		}
	}
}

func (f *inFlight) count() int64 { return f.running.Load() }

// wait returns when nothing runs any more, or after a time.
func (f *inFlight) wait(atMost time.Duration) {
	left := make(chan struct{}, 1)
	f.left.Store(&left)
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	for f.running.Load() > 0 {
		select {
		case <-left:
		case <-timer.C:
			return
		}
	}
}
