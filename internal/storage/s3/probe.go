package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sreg-project/sreg/internal/storage"
)

const (
	// checkCleanup is how long the removal of what a check wrote may take.
	checkCleanup = 10 * time.Second
	// checkURL is how long the URL of a check opens its object.
	checkURL = time.Minute
	// notableSkew is a difference of clocks that is noted, though S3 takes more.
	notableSkew = time.Minute
)

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
	if err := s.fits(ctx); err != nil {
		return err
	}
	_, err := s.conditions(ctx)
	return err
}

// fits wants a bucket that serves and keeps no versions, and a prefix that is empty or sreg's.
func (s *Store) fits(ctx context.Context) error {
	if err := s.refuseForeign(ctx); err != nil {
		return err
	}
	return s.refuseVersions(ctx)
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
				err = s.explainer.keyError("prefix", nil, "%s holds what sreg has not written, such as %s: name an empty prefix, or another bucket", s.explainer.where(), i.key)
			}
			return err
		}
	}
	return nil
}

// refuseVersions wants a bucket where what is deleted is gone. Who may not ask is believed.
func (s *Store) refuseVersions(ctx context.Context) error {
	out, err := s.client.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: &s.name})
	if status(err) == http.StatusForbidden || refused(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for the versioning of bucket %s: %w", s.name, err)
	}
	if out.Status == types.BucketVersioningStatusEnabled {
		return s.explainer.keyError("bucket", nil, "%s has versioning %s: what is removed would stay as a version and be paid for; "+
			"suspend it, or name a bucket without", s.name, strings.ToLower(string(out.Status)))
	}
	return nil
}

// Probe writes an object, reads it back and removes it.
func (s *Store) Probe(ctx context.Context) error {
	if err := s.probe(ctx, probeDir+newNonce()); err != nil {
		return fmt.Errorf("probe %s: %w", s.Root(), err)
	}
	return nil
}

func (s *Store) probe(ctx context.Context, key string) error {
	if err := s.writeProbe(ctx, key); err != nil {
		return err
	}
	if err := errors.Join(s.readProbe(ctx, key), s.remove(ctx, key)); err != nil {
		return err
	}
	_, err := s.conditions(ctx)
	return err
}

// writeProbe writes a record that holds its own key.
func (s *Store) writeProbe(ctx context.Context, key string) error {
	_, err := s.write(ctx, key, record{Nonce: newNonce(), Data: []byte(key)}, nil)
	return err
}

func (s *Store) readProbe(ctx context.Context, key string) error {
	got, err := s.load(ctx, key)
	switch {
	case err != nil:
		return err
	case got.etag == "":
		return errors.New("what was written is not there")
	case string(got.Data) != key:
		return errors.New("it reads other bytes than were written")
	}
	return nil
}

// Check does once whatever the Store will do, below a key that nobody else has, and removes what it wrote,
// after a failure, too. The notes are what works and should be known.
func (s *Store) Check(ctx context.Context) (notes []string, err error) {
	c := &check{Store: s, key: probeDir + newNonce()}
	defer func() {
		if err == nil {
			return
		}
		// Also of a check that was ended: what it wrote must not stay.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkCleanup)
		defer cancel()
		_ = c.clean(ctx) // what failed first is what counts
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"list", c.fits},
		{"put", c.put},
		{"get", func(ctx context.Context) error { return c.readProbe(ctx, c.key) }},
		{"conditional put", c.conditional},
		{"multipart upload", c.multipart},
		{"presigned URL", c.presigned},
		{"delete", c.clean},
	} {
		if err := step.do(ctx); err != nil {
			return c.notes, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return c.notes, nil
}

// check is one check that is under way.
type check struct {
	*Store
	key     string
	written bool
	upload  multipart // of the same key; without an id there is none
	notes   []string
}

func (c *check) put(ctx context.Context) error {
	c.written = true // also where the answer is lost
	return c.writeProbe(ctx, c.key)
}

func (c *check) conditional(ctx context.Context) error {
	can, err := c.conditions(ctx)
	if err == nil && !can.writes {
		c.notes = append(c.notes, "the service knows no conditional writes: no immutable tags, no retention, and no collection while somebody writes")
	}
	return err
}

// multipart writes the key anew, in one part.
func (c *check) multipart(ctx context.Context) (err error) {
	if c.upload, err = c.beginMultipart(ctx, c.key, c.sums); err != nil {
		return err
	}
	only, err := c.sendPart(ctx, c.upload, 1, []byte(c.key))
	if err != nil {
		return err
	}
	c.upload.Parts = []part{only}
	if _, err := c.joinParts(ctx, c.upload); err != nil {
		return err
	}
	c.upload = multipart{}
	return nil
}

// presigned follows the URL as a client would, from here, and compares the clocks on the way.
func (c *check) presigned(ctx context.Context) error {
	if !c.config.Redirect {
		return nil
	}
	signed, err := c.presign(ctx, c.key, storage.PresignOptions{Expires: checkURL})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, signed, nil)
	if err != nil {
		return err
	}
	answer, err := c.http.RoundTrip(request)
	if err != nil {
		return c.unfollowed(err, err.Error())
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody))
	if ahead, ok := c.explainer.ahead(answer.Header); ok && ahead.Abs() >= notableSkew {
		c.notes = append(c.notes, "the clock of this computer is "+skew(ahead, c.explainer.service())+": URLs that it signs may be refused")
	}
	if err != nil || answer.StatusCode != http.StatusOK || string(got) != c.key {
		return c.unfollowed(err, "it answers "+answer.Status)
	}
	return nil
}

// unfollowed names the address that the URL has as the key to change.
func (c *check) unfollowed(err error, what string) error {
	key := "public_endpoint"
	if c.config.PublicEndpoint == "" {
		key = "redirect"
	}
	return c.explainer.keyError(key, err, "a URL that was signed for clients does not open its object from here, %s; if it cannot, set redirect: false", what)
}

// clean removes what is left.
func (c *check) clean(ctx context.Context) error {
	var errs []error
	if c.upload.ID != "" {
		errs = append(errs, c.abort(ctx, c.upload))
	}
	if c.written {
		err := c.remove(ctx, c.key)
		c.written = err != nil
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
