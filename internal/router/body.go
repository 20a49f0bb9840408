package router

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// Why a request's body could not be read to its end. It is the client, never a store, but for the last one.
var (
	ErrBodyStalled = errors.New("the body stalled")
	ErrBodyBroken  = errors.New("the body broke off")
	// ErrBodiesFull says that the bodies of other requests take all the memory that bodies may take.
	ErrBodiesFull = errors.New("too many long bodies are on their way at once")
)

const (
	// freeBody is what each body may take of memory besides: about what the request takes itself.
	freeBody = 16 << 10
	// maxBodies is what the bodies of all requests may take of memory.
	maxBodies = 64 << 20
)

// body counts what is read of a request, and gives its failures names of their own. What does not stream is taken for
// something that is kept in memory until the request ends.
type body struct {
	from    io.ReadCloser
	length  int64 // that the headers say, -1 if they do not
	bytes   int64
	kept    *atomic.Int64 // of all bodies, nil if this one streams
	counted int64         // of this one
}

// stream says to who guards the body that it is as long as the client likes.
func (b *body) stream() {
	b.kept = nil
	if guarded, ok := b.from.(interface{ Streams() }); ok {
		guarded.Streams()
	}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.bytes += int64(n)
	if b.kept != nil && b.bytes > freeBody && !b.keep() {
		return n, ErrBodiesFull
	}
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, ErrBodyStalled
	}
	return n, fmt.Errorf("%w: %s", ErrBodyBroken, err.Error())
}

// keep counts what has come, if there is room for it.
func (b *body) keep() bool {
	more := b.bytes - freeBody - b.counted
	b.counted += more
	return b.kept.Add(more) <= maxBodies
}

// end gives back what the body took.
func (b *body) end() {
	if b.counted > 0 {
		b.kept.Add(-b.counted)
	}
}

// Remaining is how much the headers say is left.
func (b *body) Remaining() int64 {
	if b.length < 0 {
		return -1
	}
	return b.length - b.bytes
}

func (b *body) Close() error { return b.from.Close() }
