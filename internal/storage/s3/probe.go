package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage"
)

// conditions are which conditions of a request a service honours.
type conditions struct {
	writes  bool // If-None-Match: * and If-Match of a PUT
	deletes bool // If-Match of a DELETE
}

// service is what a service showed of itself.
type service struct {
	mu     sync.Mutex // guards what follows, also while it is being found out: everybody needs it
	probed bool
	knows  conditions
}

// Features are those that the service showed; none before it was asked.
func (s *Store) Features() storage.Features {
	s.service.mu.Lock()
	defer s.service.mu.Unlock()
	return storage.Features{ConditionalWrites: s.service.knows.writes, Service: true}
}

// conditions finds out what the service honours, once.
func (s *Store) conditions(ctx context.Context) (conditions, error) {
	s.service.mu.Lock()
	defer s.service.mu.Unlock()
	if s.service.probed {
		return s.service.knows, nil
	}
	knows, err := s.try(ctx)
	if err != nil {
		return conditions{}, fmt.Errorf("find out what the service honours: %w", err)
	}
	s.service.knows, s.service.probed = knows, true
	return knows, nil
}

// otherETag is that of no record.
const otherETag = `"00000000000000000000000000000000"`

// try breaks each condition, and sees whether it is told.
func (s *Store) try(ctx context.Context) (knows conditions, err error) {
	key := probeDir + newNonce()
	defer func() { err = errors.Join(err, s.remove(ctx, key)) }()
	lies, err := s.write(ctx, key, record{Nonce: newNonce()}, &record{})
	if refused(err) {
		return knows, nil
	}
	if err != nil {
		return knows, err
	}
	for _, step := range []struct {
		over   record
		honour bool // whether the condition holds
	}{{record{}, false}, {record{etag: otherETag}, false}, {lies, true}} {
		_, err := s.write(ctx, key, record{Nonce: newNonce()}, &step.over)
		if err != nil && !errors.Is(err, errStale) && !refused(err) {
			return knows, err
		}
		if (err == nil) != step.honour {
			return knows, nil
		}
	}
	knows.writes = true
	removed, err := s.removeIf(ctx, key, otherETag)
	if err != nil && !refused(err) {
		return knows, err
	}
	knows.deletes = err == nil && !removed
	return knows, nil
}

// refused tells whether a service does not know what a request asks for.
func refused(err error) bool {
	var known *setting.Error
	if errors.As(err, &known) {
		return false // a wrong region is a bad request, too
	}
	switch status(err) {
	case http.StatusNotImplemented, http.StatusMethodNotAllowed, http.StatusBadRequest:
		return true
	}
	return false
}

// Probe writes an object, reads it back and removes it.
func (s *Store) Probe(ctx context.Context) error {
	if err := s.probe(ctx); err != nil {
		return fmt.Errorf("probe %s: %w", s.Root(), err)
	}
	return nil
}

func (s *Store) probe(ctx context.Context) error {
	want := newNonce()
	key := probeDir + want
	if _, err := s.write(ctx, key, record{Nonce: want, Data: []byte(want)}, nil); err != nil {
		return err
	}
	got, err := s.load(ctx, key)
	switch {
	case err != nil:
	case got.etag == "":
		err = errors.New("what was written is not there")
	case !bytes.Equal(got.Data, []byte(want)):
		err = errors.New("it reads other bytes than were written")
	}
	if err := errors.Join(err, s.remove(ctx, key)); err != nil {
		return err
	}
	_, err = s.conditions(ctx)
	return err
}

// birthKey is what a store of sreg always holds: the first object that its owner writes.
const birthKey = "_format"

// Create looks whether the bucket serves, and what it can do. A bucket has no folders to make.
func (s *Store) Create(ctx context.Context) error {
	if err := s.create(ctx); err != nil {
		return fmt.Errorf("create store in %s: %w", s.Root(), err)
	}
	return nil
}

func (s *Store) create(ctx context.Context) error {
	if err := s.refuseForeign(ctx); err != nil {
		return err
	}
	if err := s.refuseVersions(ctx); err != nil {
		return err
	}
	_, err := s.conditions(ctx)
	return err
}

// refuseForeign keeps a mistyped prefix that holds something else from becoming a store.
func (s *Store) refuseForeign(ctx context.Context) error {
	for page, err := range s.pages(ctx, listing{first: shortPage}) {
		if err != nil {
			return err
		}
		for _, i := range page.items {
			if strings.HasPrefix(i.key, "_") {
				continue
			}
			born, err := s.head(ctx, birthKey)
			if err == nil && !born.there() {
				err = s.words.foreign(i.key)
			}
			return err
		}
	}
	return nil
}

// refuseVersions wants a bucket where what is deleted is gone. Who may not ask is believed.
func (s *Store) refuseVersions(ctx context.Context) error {
	out, err := s.client.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: &s.bucket})
	if status(err) == http.StatusForbidden || refused(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for the versioning of bucket %s: %w", s.bucket, err)
	}
	if out.Status == types.BucketVersioningStatusEnabled {
		return s.words.versioned(string(out.Status))
	}
	return nil
}
