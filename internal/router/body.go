package router

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Why a request's body could not be read to its end. It is the client, never a store.
var (
	ErrBodyStalled = errors.New("the body stalled")
	ErrBodyBroken  = errors.New("the body broke off")
)

// body counts what is read of a request, and gives its failures names of their own.
type body struct {
	from   io.ReadCloser
	length int64 // that the headers say, -1 if they do not
	bytes  int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.bytes += int64(n)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, ErrBodyStalled
	}
	return n, fmt.Errorf("%w: %s", ErrBodyBroken, err.Error())
}

// Remaining is how much the headers say is left.
func (b *body) Remaining() int64 {
	if b.length < 0 {
		return -1
	}
	return b.length - b.bytes
}

func (b *body) Close() error { return b.from.Close() }
