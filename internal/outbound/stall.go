package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// TimeoutError says that nothing moved for too long.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("no answer for %s", e.After) }

// Timeout makes it a net.Error to whoever tries again.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary is the other half of a net.Error.
func (e *TimeoutError) Temporary() bool { return true }

// Cause is the TimeoutError that ended a context, in place of what the end of the context led to; else err.
func Cause(ctx context.Context, err error) error {
	var timeout *TimeoutError
	if errors.As(context.Cause(ctx), &timeout) {
		return timeout
	}
	return err
}

// sendWatched does a request and ends it when nothing moves: while the request goes out, until its answer
// comes, and while somebody reads the body of the answer.
func (t *Transport) sendWatched(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stall := t.stall()
	sent := &sentBody{timeout: stall, timer: time.AfterFunc(stall, func() { cancel(&TimeoutError{stall}) })}
	watched := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		sent.ReadCloser = r.Body
		watched.Body = sent
	}
	answer, err := t.http.RoundTrip(watched)
	sent.stop()
	if err != nil {
		cancel(nil)
		return nil, Cause(ctx, err)
	}
	answer.Body = &receivedBody{ReadCloser: answer.Body, ctx: ctx, cancel: cancel, timeout: stall}
	return answer, nil
}

// sentBody is the body of a request: each piece of it that goes out begins the time anew.
type sentBody struct {
	io.ReadCloser
	timeout time.Duration

	mu      sync.Mutex // guards the rest
	timer   *time.Timer
	stopped bool
}

func (s *sentBody) Read(p []byte) (int, error) {
	s.mu.Lock()
	if !s.stopped {
		s.timer.Reset(s.timeout)
	}
	s.mu.Unlock()
	return s.ReadCloser.Read(p)
}

// stop ends the time: of a body that is still read afterwards nobody waits for the answer.
func (s *sentBody) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.timer.Stop()
}

// receivedBody is the body of an answer. Only while somebody waits for bytes may their absence end it: whoever
// sends them on to a slow client reads slowly, and that is not the server's fault.
type receivedBody struct {
	io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timeout time.Duration
	timer   *time.Timer // nil before the first Read
}

func (b *receivedBody) Read(p []byte) (int, error) {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.timeout, func() { b.cancel(&TimeoutError{b.timeout}) })
	} else {
		b.timer.Reset(b.timeout)
	}
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = Cause(b.ctx, err)
	}
	return n, err
}

func (b *receivedBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
