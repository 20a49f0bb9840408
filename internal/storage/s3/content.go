package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sreg-project/sreg/internal/storage"
)

// Content reads what the service has, and what is in memory. It holds until the next Append.
//
// The parts of a multipart upload cannot be read, so they are joined first; what follows goes to another
// one, that begins with a copy of them. Only a caller who lost what it knew of the bytes comes here.
func (u *upload) Content(ctx context.Context) (io.ReadCloser, error) {
	if err := errors.Join(ctx.Err(), u.awaitPart()); err != nil {
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
	nothing := inMemory{bytes.NewReader(nil)}
	c := content{head: nothing, rest: nothing}
	if u.session.Head != nil {
		c.head = u.s.openData(ctx, *u.session.Head)
	}
	switch {
	case u.buf != nil:
		c.rest = inMemory{bytes.NewReader(u.buf.data)}
	case u.session.Tail != nil:
		c.rest = u.s.openData(ctx, *u.session.Tail)
	}
	c.Reader = io.MultiReader(c.head, c.rest)
	return c, nil
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

// content is what the service has, and behind it what is in memory or in the tail.
type content struct {
	io.Reader
	head, rest io.ReadCloser
}

func (c content) Close() error { return errors.Join(c.head.Close(), c.rest.Close()) }
