package gc_test

import (
	"context"
	"iter"

	"github.com/sreg-project/sreg/internal/storage"
)

// stalling is a Store that asks for a pause before each step that another process could come between.
type stalling struct {
	storage.Store
	pause func(step string)
}

func (s *stalling) Stat(ctx context.Context, key string) (storage.Info, error) {
	s.pause("stat")
	return s.Store.Stat(ctx, key)
}

func (s *stalling) Get(ctx context.Context, key string) (storage.Value, error) {
	s.pause("get")
	return s.Store.Get(ctx, key)
}

func (s *stalling) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	s.pause("list")
	return s.Store.List(ctx, prefix, opts)
}

func (s *stalling) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	s.pause("put")
	return s.Store.Put(ctx, key, data, opts)
}

func (s *stalling) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	s.pause("delete")
	return s.Store.Delete(ctx, key, opts)
}

func (s *stalling) Revive(ctx context.Context, key string) (storage.Info, error) {
	s.pause("revive")
	return s.Store.Revive(ctx, key)
}

func (s *stalling) Condemn(ctx context.Context, key string) error {
	s.pause("condemn")
	return s.Store.Condemn(ctx, key)
}

func (s *stalling) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	s.pause("destroy")
	return s.Store.Destroy(ctx, key, opts)
}

func (s *stalling) Condemned(ctx context.Context, prefix string) iter.Seq2[storage.Condemnation, error] {
	s.pause("condemned")
	return s.Store.Condemned(ctx, prefix)
}

func (s *stalling) Drafts(ctx context.Context, prefix string) iter.Seq2[storage.Draft, error] {
	s.pause("drafts")
	return s.Store.Drafts(ctx, prefix)
}

func (s *stalling) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	s.pause("prepare")
	p, err := s.Store.Prepare(ctx, key, data)
	if err != nil {
		return nil, err
	}
	return &stallingPending{Pending: p, pause: s.pause}, nil
}

type stallingPending struct {
	storage.Pending
	pause func(step string)
}

func (p *stallingPending) Publish(ctx context.Context) error {
	p.pause("publish")
	return p.Pending.Publish(ctx)
}

// noSecondLook is a Store that, between a draft and its publication, calls live what is not gone. It is for
// one pusher.
type noSecondLook struct {
	storage.Store
	prepared bool
}

func (s *noSecondLook) Revive(ctx context.Context, key string) (storage.Info, error) {
	if s.prepared {
		return storage.Info{}, nil
	}
	return s.Store.Revive(ctx, key)
}

func (s *noSecondLook) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	p, err := s.Store.Prepare(ctx, key, data)
	s.prepared = err == nil
	return &unlooked{Pending: p, s: s}, err
}

type unlooked struct {
	storage.Pending
	s *noSecondLook
}

func (p *unlooked) Publish(ctx context.Context) error {
	p.s.prepared = false
	return p.Pending.Publish(ctx)
}

func (p *unlooked) Discard(ctx context.Context) error {
	p.s.prepared = false
	return p.Pending.Discard(ctx)
}

// noRevival is a Store that calls what is condemned live, and leaves it condemned.
type noRevival struct{ storage.Store }

func (s noRevival) Revive(ctx context.Context, key string) (storage.Info, error) {
	return s.Store.Stat(ctx, key)
}
