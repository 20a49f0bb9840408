package server

import (
	"errors"
	"io"
	"time"
)

// body is the body of a request: each read has a deadline, and no slot while it waits. All of the body must be
// there within Timeouts.Body, or, if it streams, it must not be slower than Timeouts.LeastRate.
type body struct {
	io.ReadCloser
	response *response
	streams  bool
	until    time.Time // the deadline for reading
	end      time.Time // when all must be there
	credit   time.Duration
}

// begin sets the first deadline. A body that no handler reads is left to net/http, which has none of its own.
func (b *body) begin(response *response, from io.ReadCloser) {
	b.ReadCloser, b.response = from, response
	now := time.Now()
	if limit := response.timeouts.Body; limit > 0 {
		b.end = now.Add(limit)
	}
	b.extend(now)
}

// Streams says that the body is as long as the client likes, and is used while it comes. The router finds it.
func (b *body) Streams() {
	b.streams = true
	b.credit = b.response.timeouts.pause()
}

// Read reads a part of the body. At its end the deadline goes: the server watches the connection
// from then on, and would take its passing for a client that left.
func (b *body) Read(p []byte) (int, error) {
	begun := time.Now()
	b.extend(begun)
	lent := b.response.slot.lend()
	n, err := b.ReadCloser.Read(p)
	if b.streams {
		b.earn(n, time.Since(begun))
	}
	if errors.Is(err, io.EOF) {
		b.until = time.Time{}
		_ = b.response.control.SetReadDeadline(b.until)
	}
	if lent {
		b.response.slot.takeBack(b.response.request.Context())
	}
	return n, err
}

// earn changes for how long the client may be waited for: less by what it took, more by what it sent, and never more
// than a pause may take. What this server does meanwhile does not count.
func (b *body) earn(n int, took time.Duration) {
	timeouts := b.response.timeouts
	if timeouts.LeastRate > 0 {
		earned := time.Duration(float64(n) / float64(timeouts.LeastRate) * float64(time.Second))
		b.credit = min(b.credit-took+earned, timeouts.pause())
	}
}

// extend gives the next read its time.
func (b *body) extend(now time.Time) {
	timeouts, until := b.response.timeouts, time.Time{}
	if timeouts.Stall > 0 {
		until = now.Add(timeouts.Stall)
	}
	if b.streams && timeouts.LeastRate > 0 {
		until = earlier(until, now.Add(b.credit))
	}
	if !b.streams {
		until = earlier(until, b.end)
	}
	if until.Sub(b.until).Abs() > timeouts.pause()/slack {
		b.until = until
		_ = b.response.control.SetReadDeadline(until)
	}
}

// earlier is the earlier one of two times, of which the zero one never comes.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
