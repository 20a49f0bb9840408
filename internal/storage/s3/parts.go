package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sreg-project/sreg/internal/storage"
)

// maxParts is how many parts S3 lets one object have.
const maxParts = 10_000

// reservedParts is how many numbers a writer takes at once when it goes on with the parts of another.
const reservedParts = 64

// The notes beside the bytes of an upload.
const (
	keyNote  = "sreg-key"  // what they become, escaped; only where Commit wrote them
	turnNote = "sreg-turn" // another one for each write, by which a writer knows its own
)

// unsigned leaves the SHA-256 of the bytes out of the signature. They have a CRC-32 against accidents, and
// a digest that whoever pulls them checks.
func unsigned(o *awss3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// noSum keeps the SDK from adding a checksum where none is given.
func noSum(o *awss3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
}

// sum is the checksum of bytes as S3 writes it; nil if the service is to be sent none.
func (s *Store) sum(b []byte) *string {
	if s.config.RequestChecksum == "when_required" {
		return nil
	}
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b))
	return aws.String(base64.StdEncoding.EncodeToString(sum))
}

// put writes bytes as one object under a name that nobody else writes to, and counts it in the session.
// With a key they are the whole of what that is to name.
func (u *upload) put(ctx context.Context, v *session, b []byte, key string) (location, error) {
	can, err := u.s.conditions(ctx)
	if err != nil {
		return location{}, err
	}
	v.Pieces++
	name := bytesDir + u.id + "~" + strconv.Itoa(v.Pieces)
	if u.contested || !can.writes {
		name += "-" + newNonce()
	}
	in := &awss3.PutObjectInput{
		Bucket: &u.s.bucket, Key: aws.String(u.s.prefix + name),
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
		return u.putAgain(ctx, v, b, key, location{Key: name, Size: int64(len(b))}, in.Metadata[turnNote])
	}
	if err != nil {
		return location{}, u.s.failure("write", name, err)
	}
	return located(name, int64(len(b)), out.ETag)
}

// putAgain finds out who wrote the bytes that lie where ours should: this writer, by an attempt whose
// answer was lost, or by a Commit that was cut short; one that has saved the session since, to whom this
// one has lost; or one that was killed, or is about to save. With the last it contends by saving first.
func (u *upload) putAgain(ctx context.Context, v *session, b []byte, key string, ours location, turn string) (location, error) {
	there, notes, found, err := u.s.look(ctx, ours.Key)
	if err != nil {
		return location{}, err
	}
	sameBytes := notes[turnNote] == turn || key != "" && notes[keyNote] == url.QueryEscape(key)
	if found && sameBytes && there.Size == ours.Size {
		return there, nil
	}
	if err := u.stillOpen(ctx); err != nil {
		return location{}, err
	}
	if u.contested {
		return location{}, fmt.Errorf("write %s: %w", ours.Key, storage.ErrBusy)
	}
	u.contested = true
	if found && notes[keyNote] == "" {
		v.drop(&there)
	} else if found {
		err = u.s.settleOne(ctx, there, notes, nil)
	}
	if err != nil {
		return location{}, err
	}
	return u.put(ctx, v, b, key)
}

// flight is a part on its way.
type flight struct {
	done chan struct{} // closed at the end
	part part          // valid after done, without err
	err  error         // valid after done
}

// settle waits for the part on its way. When it did not arrive, what follows it is not appended any
// more, either.
func (u *upload) settle() error {
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

// nextPart sends the full buffer, and goes on with another one: at once if there is memory, else when this
// one is free again.
func (u *upload) nextPart(ctx context.Context, left int64) error {
	if err := u.settle(); err != nil {
		return err
	}
	if err := u.send(ctx); err != nil {
		return err
	}
	want := int64(u.s.uploads.memory.part())
	if left >= 0 {
		want = left + 1
	}
	if u.buf = u.s.uploads.memory.tryGet(want); u.buf != nil {
		return nil
	}
	err := u.settle()
	if err == nil {
		u.buf, err = u.s.uploads.memory.get(ctx, want)
	}
	if err != nil {
		u.shrink()
	}
	return err
}

// send begins to send the buffer as the next part, and hands it over. The goroutine ends with the
// request; settle waits for it.
func (u *upload) send(ctx context.Context) error {
	if err := u.beginParts(ctx); err != nil {
		return err
	}
	number, err := u.nextNumber(ctx)
	if err != nil {
		return err
	}
	sent := &flight{done: make(chan struct{})}
	buf := u.buf
	u.sending, u.buf = sent, nil
	m := *u.session.Multipart
	lasting, cancel := u.lasting()
	go func() {
		defer cancel()
		defer close(sent.done)
		sent.part, sent.err = u.s.sendPart(lasting, m, number, buf.data)
		u.s.uploads.memory.give(buf) // at once: the client may send nothing more for long
	}()
	return nil
}

func (s *Store) sendPart(ctx context.Context, m multipart, number int32, b []byte) (part, error) {
	var sum *string
	if !m.Unsummed {
		sum = s.sum(b)
	}
	var out *awss3.UploadPartOutput
	err := insist(ctx, func() (err error) {
		out, err = s.client.UploadPart(ctx, &awss3.UploadPartInput{
			Bucket: &s.bucket, Key: aws.String(s.prefix + m.Key), UploadId: &m.ID, PartNumber: &number,
			Body: bytes.NewReader(b), ContentLength: aws.Int64(int64(len(b))), ChecksumCRC32: sum,
		}, unsigned, noSum)
		return err
	})
	if err != nil {
		return part{}, s.failure(fmt.Sprintf("write part %d of", number), m.Key, err)
	}
	l, err := located(m.Key, int64(len(b)), out.ETag)
	return part{Number: number, Size: l.Size, ETag: l.ETag, Sum: aws.ToString(sum)}, err
}

// beginParts begins the multipart upload unless there is one.
func (u *upload) beginParts(ctx context.Context) error {
	if u.session.Multipart != nil {
		return nil
	}
	key := bytesDir + u.id + "~" + newNonce()
	in := &awss3.CreateMultipartUploadInput{
		Bucket: &u.s.bucket, Key: aws.String(u.s.prefix + key), ContentType: aws.String("application/octet-stream"),
	}
	unsummed := u.session.Head != nil || u.s.sum(nil) == nil
	if !unsummed {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	out, err := u.s.client.CreateMultipartUpload(ctx, in, noSum)
	if err != nil {
		return u.s.failure("begin the parts of", key, err)
	}
	if aws.ToString(out.UploadId) == "" {
		return u.s.failure("begin the parts of", key, errors.New("the service gave no id"))
	}
	m := &multipart{Key: key, ID: *out.UploadId, Unsummed: unsummed}
	if err := u.copyHead(ctx, m); err != nil {
		return errors.Join(err, u.s.abort(ctx, *m))
	}
	u.session.drop(u.session.Head)
	u.session.Head, u.session.Multipart = nil, m
	u.last, u.inherited = int32(len(m.Parts)), false
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
			u.id, maxParts, u.s.uploads.memory.part())
	}
	u.last++
	return u.last, nil
}

// joinParts makes one object of the parts. Again it finds the object that is there already.
func (s *Store) joinParts(ctx context.Context, m multipart) (location, error) {
	parts := make([]types.CompletedPart, 0, len(m.Parts))
	for _, p := range m.Parts {
		one := types.CompletedPart{PartNumber: aws.Int32(p.Number), ETag: aws.String(p.ETag)}
		if p.Sum != "" {
			one.ChecksumCRC32 = aws.String(p.Sum)
		}
		parts = append(parts, one)
	}
	err := insist(ctx, func() error {
		_, err := s.client.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
			Bucket: &s.bucket, Key: aws.String(s.prefix + m.Key), UploadId: &m.ID,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		return err
	})
	if err != nil && !isNotFound(err) {
		return location{}, s.failure("join the parts of", m.Key, err)
	}
	at, _, found, lookErr := s.look(ctx, m.Key)
	switch {
	case lookErr != nil:
		return location{}, lookErr
	case !found:
		return location{}, s.failure("join the parts of", m.Key, errors.Join(storage.ErrNotExist, err))
	case at.Size != m.size():
		return location{}, s.failure("join the parts of", m.Key, fmt.Errorf("it has %d bytes, want %d", at.Size, m.size()))
	}
	return at, nil
}
