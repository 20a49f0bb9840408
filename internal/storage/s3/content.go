package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
)

// maxCopy is the largest piece that S3 copies into a part.
const maxCopy = int64(maxPart)

// Content reads what the service has, and what is in memory. It holds until the next Append.
//
// The parts of a multipart upload cannot be read, so they are joined first; what follows goes to another
// one, that begins with a copy of them. Only a caller who lost what it knew of the bytes comes here.
func (u *upload) Content(ctx context.Context) (io.ReadCloser, error) {
	if err := errors.Join(ctx.Err(), u.settle()); err != nil {
		return nil, err
	}
	if u.held == nil || u.ended {
		return nil, fmt.Errorf("read upload: it has ended: %w", storage.ErrNotExist)
	}
	if u.session.Multipart != nil {
		if err := u.joinForReading(ctx); err != nil {
			return nil, fmt.Errorf("read upload: %w", err)
		}
	}
	var c content
	if u.session.Head != nil {
		c.add(u.s.openBytes(ctx, *u.session.Head))
	}
	switch {
	case u.buf != nil:
		c.add(inMemory{bytes.NewReader(u.buf.data)})
	case u.session.Tail != nil:
		c.add(u.s.openBytes(ctx, *u.session.Tail))
	}
	return &c, nil
}

// joinForReading makes the head of the parts. The session names the parts before they are joined, so that
// whoever goes on after a crash finds what became of them.
func (u *upload) joinForReading(ctx context.Context) error {
	if u.unsaved && u.session.Key == "" {
		if err := u.save(ctx); err != nil {
			return err
		}
	}
	if len(u.session.Multipart.Parts) == 0 {
		return nil
	}
	head, err := u.s.joinParts(ctx, *u.session.Multipart)
	if err != nil {
		return err
	}
	next := u.session.clone()
	if next.Key != "" {
		return u.decide(ctx, next, next.Key, &head)
	}
	next.Head, next.Multipart = &head, nil
	return u.write(ctx, next)
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

// copyPart makes a part of the bytes of an object from one position to before another one.
func (s *Store) copyPart(ctx context.Context, m multipart, number int32, of location, from, to int64) (part, error) {
	out, err := s.client.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + m.Key), UploadId: &m.ID, PartNumber: &number,
		CopySource: aws.String(s.bucket + "/" + s.prefix + of.Key), CopySourceIfMatch: &of.ETag,
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1)),
	})
	if err != nil {
		return part{}, s.failure(fmt.Sprintf("copy part %d of", number), m.Key, err)
	}
	if out.CopyPartResult == nil {
		return part{}, s.failure("copy a part of", m.Key, errNoETag)
	}
	l, err := located(m.Key, to-from, out.CopyPartResult.ETag)
	return part{Number: number, Size: l.Size, ETag: l.ETag}, err
}

// content is several readers behind each other.
type content struct {
	io.Reader
	all []io.ReadCloser
}

func (c *content) add(r io.ReadCloser) {
	c.all = append(c.all, r)
	if c.Reader == nil {
		c.Reader = r
		return
	}
	c.Reader = io.MultiReader(c.Reader, r)
}

func (c *content) Read(p []byte) (int, error) {
	if c.Reader == nil {
		return 0, io.EOF
	}
	return c.Reader.Read(p)
}

// Close closes them all.
func (c *content) Close() error {
	var errs []error
	for _, r := range c.all {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
