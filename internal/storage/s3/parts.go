package s3

import (
	"context"
	"errors"
	"fmt"
)

// maxParts is how many parts S3 lets one object have.
const maxParts = 10_000

// reservedParts is how many numbers a writer takes at once when it goes on with the parts of another.
const reservedParts = 64

// awaitPart waits for the part on its way. When it did not arrive, what follows it is not appended any
// more, either.
func (u *upload) awaitPart() error {
	sent := u.sending
	if sent == nil {
		return nil
	}
	u.sending = nil
	<-sent.done
	if sent.err != nil {
		u.forget()
		return sent.err
	}
	u.arrived(sent.part)
	return nil
}

// arrived counts a part. The tail was in the first one.
func (u *upload) arrived(p part) {
	m := u.session.Multipart
	m.Parts = append(m.Parts, p)
	u.session.drop(u.session.Tail)
	u.session.Tail = nil
}

// send begins to send the buffer as the next part, and hands it over. The goroutine ends with the
// request; awaitPart waits for it.
func (u *upload) send(ctx context.Context) error {
	if err := u.beginParts(ctx); err != nil {
		return err
	}
	number, err := u.nextNumber(ctx)
	if err != nil {
		return err
	}
	sent := &sentPart{done: make(chan struct{})}
	buf := u.buf
	u.sending, u.buf = sent, nil
	m := *u.session.Multipart
	lasting, cancel := u.lasting()
	go func() {
		defer cancel()
		defer close(sent.done)
		sent.part, sent.err = u.s.sendPart(lasting, m, number, buf.data)
		u.s.memory.give(buf) // at once: the client may send nothing more for long
	}()
	return nil
}

// beginParts begins the multipart upload unless there is one.
func (u *upload) beginParts(ctx context.Context) error {
	if u.session.Multipart != nil {
		return nil
	}
	sums := u.session.Head == nil && u.s.sums
	m, err := u.s.beginMultipart(ctx, bytesDir+u.id+"~"+newNonce(), sums)
	if err != nil {
		return err
	}
	if err := u.copyHead(ctx, &m); err != nil {
		return errors.Join(err, u.s.abort(ctx, m))
	}
	u.session.drop(u.session.Head)
	u.session.Head, u.session.Multipart = nil, &m
	u.last, u.inherited = int32(len(m.Parts)), false
	return nil
}

// copyHead makes the first parts of the head, without its bytes passing here.
func (u *upload) copyHead(ctx context.Context, m *multipart) error {
	head := u.session.Head
	if head == nil {
		return nil
	}
	for from := int64(0); from < head.Size; from += maxCopy {
		p, err := u.s.copyPart(ctx, *m, int32(len(m.Parts)+1), *head, from, min(from+maxCopy, head.Size))
		if err != nil {
			return err
		}
		m.Parts = append(m.Parts, p)
	}
	return nil
}

// nextNumber gives the number of the next part. To the parts that another writer began, numbers are
// reserved first.
func (u *upload) nextNumber(ctx context.Context) (int32, error) {
	m := u.session.Multipart
	if u.inherited && (u.last == 0 || u.last >= m.Reserved) {
		from := m.Reserved
		next := u.session.clone()
		next.Multipart.Reserved = from + reservedParts
		if err := u.write(ctx, next); err != nil {
			return 0, err
		}
		u.last = from
	}
	if u.last >= maxParts {
		return 0, fmt.Errorf("upload %s needs more than %d parts of %d bytes: a larger part_size lets larger blobs in",
			u.id, maxParts, u.s.memory.part())
	}
	u.last++
	return u.last, nil
}

// nextPart sends the full buffer, and goes on with another one: at once if there is memory, else when this
// one is free again.
func (u *upload) nextPart(ctx context.Context, left int64) error {
	if err := u.awaitPart(); err != nil {
		return err
	}
	if err := u.send(ctx); err != nil {
		return err
	}
	want := int64(u.s.memory.part())
	if left >= 0 {
		want = left + 1
	}
	if u.buf = u.s.memory.tryGet(want); u.buf != nil {
		return nil
	}
	err := u.awaitPart()
	if err == nil {
		u.buf, err = u.s.memory.get(ctx, want)
	}
	if err != nil {
		u.shrink()
	}
	return err
}
