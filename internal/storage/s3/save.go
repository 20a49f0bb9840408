package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
)

// maxParts is how many parts S3 lets one object have.
const maxParts = 10_000

// reservedParts is how many numbers a writer takes at once when it goes on with the parts of another.
const reservedParts = 64

// put writes bytes as one object under a name that nobody else writes to, and counts it in the session.
// With a key they are the whole of what that is to name.
func (u *upload) put(ctx context.Context, v *session, b []byte, key string) (dataObject, error) {
	can, err := u.s.conditions(ctx)
	if err != nil {
		return dataObject{}, err
	}
	v.Pieces++
	name := bytesDir + u.id + "~" + strconv.Itoa(v.Pieces)
	if u.contested || !can.writes {
		name += "-" + newNonce()
	}
	in := &awss3.PutObjectInput{
		Bucket: &u.s.name, Key: u.s.at(name),
		ContentLength: aws.Int64(int64(len(b))), ContentType: aws.String("application/octet-stream"),
		ChecksumCRC32: u.s.sum(b), Metadata: map[string]string{turnNote: newNonce()},
	}
	if can.writes {
		in.IfNoneMatch = aws.String("*")
	}
	if key != "" {
		in.Metadata[keyNote] = url.QueryEscape(key)
	}
	var out *awss3.PutObjectOutput
	err = insist(ctx, func() (err error) {
		in.Body = bytes.NewReader(b)
		out, err = u.s.client.PutObject(ctx, in, unsigned, noSum)
		return err
	})
	if in.IfNoneMatch != nil && isConflict(err) {
		return u.putAgain(ctx, v, b, key, dataObject{Key: name, Size: int64(len(b))}, in.Metadata[turnNote])
	}
	if err != nil {
		return dataObject{}, u.s.failure("write", name, err)
	}
	return newDataObject(name, int64(len(b)), out.ETag)
}

// putAgain finds out who wrote the bytes that lie where ours should: this writer, by an attempt whose
// answer was lost, or by a Commit that was cut short; one that has saved the session since, to whom this
// one has lost; or one that was killed, or is about to save. Against the last it tries to save first.
func (u *upload) putAgain(ctx context.Context, v *session, b []byte, key string, ours dataObject, turn string) (dataObject, error) {
	there, notes, found, err := u.s.headData(ctx, ours.Key)
	if err != nil {
		return dataObject{}, err
	}
	sameBytes := notes[turnNote] == turn || key != "" && notes[keyNote] == url.QueryEscape(key)
	if found && sameBytes && there.Size == ours.Size {
		return there, nil
	}
	if err := u.stillOpen(ctx); err != nil {
		return dataObject{}, err
	}
	if u.contested {
		return dataObject{}, fmt.Errorf("write %s: %w", ours.Key, storage.ErrBusy)
	}
	u.contested = true
	if found && notes[keyNote] == "" {
		v.drop(&there)
	} else if found {
		err = u.s.settleData(ctx, there, notes, nil)
	}
	if err != nil {
		return dataObject{}, err
	}
	return u.put(ctx, v, b, key)
}

// SaveState saves the bytes and the state by one change. It does so also when the client has gone.
func (u *upload) SaveState(_ context.Context, state []byte) error {
	if err := u.writable(); err != nil {
		return fmt.Errorf("save upload state: %w", err)
	}
	ctx, cancel := u.lasting()
	defer cancel()
	u.state = state
	if err := u.save(ctx); err != nil {
		return fmt.Errorf("save upload state: %w", err)
	}
	return nil
}

// save writes what is in memory as the tail, and then the record. A record never names bytes that
// are not there. Bytes that are a part are sent as one, so that what the next writer reads is less.
//
// A client that sends an upload in many small requests has each of them write the tail anew: some bytes
// are written again and again, but less than a part with each request.
func (u *upload) save(ctx context.Context) error {
	if err := u.awaitPart(); err != nil {
		return err
	}
	if u.whole != nil {
		return u.decide(ctx, u.session.clone(), u.wholeKey, u.whole)
	}
	if u.unsaved && u.buf != nil && len(u.buf.data) >= u.s.memory.part() {
		if err := u.sendNow(ctx); err != nil {
			return err
		}
	}
	next := u.session.clone()
	if u.buf != nil && u.unsaved && len(u.buf.data) > 0 {
		tail, err := u.put(ctx, &next, u.buf.data, "")
		if err != nil {
			return err
		}
		next.drop(next.Tail)
		next.Tail = &tail
	}
	next.Multipart.reserve(u.last)
	return u.write(ctx, next)
}

// decide saves what the bytes become. Where they are one object already, that is the tail, and all that
// there is.
func (u *upload) decide(ctx context.Context, next session, key string, at *dataObject) error {
	next.Key = key
	if at != nil {
		if next.Tail != nil && next.Tail.Key != at.Key {
			next.drop(next.Tail)
		}
		next.Tail, next.Head, next.Multipart = at, nil, nil
	}
	next.Multipart.reserve(u.last)
	return u.write(ctx, next)
}

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

// sendNow sends the buffer and waits until it has arrived.
func (u *upload) sendNow(ctx context.Context) error {
	if err := u.send(ctx); err != nil {
		return err
	}
	return u.awaitPart()
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
