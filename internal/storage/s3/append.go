package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sreg-project/sreg/internal/storage"
)

// firstBuffer is set aside for a body that does not say how long it is.
const firstBuffer = 256 << 10

// Append reads into memory and sends each full part as soon as there is more. A part that cannot be sent
// takes back what follows the last one that was, so that the size always says what is there.
func (u *upload) Append(ctx context.Context, r io.Reader) (int64, error) {
	if err := errors.Join(ctx.Err(), u.writable()); err != nil {
		return 0, err
	}
	before := u.size
	err := u.fill(ctx, r)
	err = errors.Join(err, u.awaitPart())
	return max(u.size-before, 0), err
}

// fill asks for the first byte before it sets memory aside for what follows: the body that completes an
// upload is often empty.
func (u *upload) fill(ctx context.Context, r io.Reader) error {
	for {
		var first [1]byte
		switch _, err := io.ReadFull(r, first[:]); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if u.session.Key != "" || u.whole != nil {
			return fmt.Errorf("%w: the upload is being completed", storage.ErrBusy)
		}
		if err := errors.Join(ctx.Err(), u.room(ctx, left(r))); err != nil {
			return err
		}
		u.take(first[:])
		switch err := u.read(r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// left is how much a reader says that it has; negative if it does not.
func left(r io.Reader) int64 {
	if sized, ok := r.(storage.Sized); ok {
		return sized.Remaining()
	}
	return -1
}

func (u *upload) take(b []byte) {
	u.buf.data = append(u.buf.data, b...)
	u.took(len(b))
}

func (u *upload) took(n int) {
	u.unsaved, u.state = true, nil
	u.grew(u.size + int64(n))
}

// read fills the buffer. The error is that of the reader; a full buffer is none.
func (u *upload) read(r io.Reader) error {
	for len(u.buf.data) < cap(u.buf.data) {
		length := len(u.buf.data)
		n, err := r.Read(u.buf.data[length:cap(u.buf.data)])
		u.buf.data = u.buf.data[:length+n]
		if n > 0 {
			u.took(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// room makes room for one byte at least, and for the rest of a body if it is known and fits.
func (u *upload) room(ctx context.Context, left int64) error {
	part := int64(u.s.memory.part())
	if u.buf == nil {
		if err := u.begin(ctx, left); err != nil {
			return err
		}
	}
	length := int64(len(u.buf.data)) // not 0 behind begin, either, and a part if part_size was made smaller
	switch {
	case length < int64(cap(u.buf.data)) && left <= int64(cap(u.buf.data))-length-1:
		return nil
	case length >= part:
		return u.nextPart(ctx, left)
	case int64(cap(u.buf.data)) == part:
		return nil
	}
	want := 4 * int64(cap(u.buf.data))
	if left >= 0 {
		want = max(length+1+left, int64(cap(u.buf.data))+1)
	}
	return u.grow(ctx, min(want, part))
}

// begin waits for the first buffer, and reads the tail into it.
func (u *upload) begin(ctx context.Context, left int64) error {
	want := u.session.Tail.size() + firstBuffer
	if left >= 0 {
		want = u.session.Tail.size() + 1 + left
	}
	buf, err := u.s.memory.getFor(ctx, u.session.Tail.size(), want)
	if err != nil {
		return err
	}
	if u.buf, err = buf, u.loadTail(ctx, buf); err != nil {
		u.s.memory.give(u.buf)
		u.buf = nil
	}
	return err
}

func (u *upload) loadTail(ctx context.Context, buf *buffer) error {
	if u.session.Tail == nil {
		return nil
	}
	r := u.s.openData(ctx, *u.session.Tail)
	buf.data = buf.data[:u.session.Tail.Size]
	_, err := io.ReadFull(r, buf.data)
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read the tail of session %s: %w", u.id, err)
	}
	return nil
}

// grow takes a larger buffer. Where there is no memory for it the bytes are written away before the
// wait, because nobody may wait while holding some.
func (u *upload) grow(ctx context.Context, want int64) error {
	if bigger := u.s.memory.tryGet(want); bigger != nil {
		bigger.data = append(bigger.data, u.buf.data...)
		u.s.memory.give(u.buf)
		u.buf = bigger
		return nil
	}
	if err := u.save(ctx); err != nil {
		return err
	}
	u.forget()
	return u.begin(ctx, int64(u.s.memory.part()))
}
