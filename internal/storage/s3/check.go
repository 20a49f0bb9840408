package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// checkCleanup is how long the removal of what a check wrote may take.
	checkCleanup = 10 * time.Second
	// checkURL is how long the URL of a check opens its object.
	checkURL = time.Minute
	// notableSkew is a difference of clocks that is told, though S3 takes more.
	notableSkew = time.Minute
)

// Check does once whatever the Store will do, below a key that nobody else has, and removes what it wrote,
// after a failure, too. The notes are what works and should be known.
func (s *Store) Check(ctx context.Context) (notes []string, err error) {
	c := &trial{Store: s, key: probeDir + newNonce()}
	defer func() {
		// Also of a check that was ended: what it wrote must not stay.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkCleanup)
		defer cancel()
		if gone := c.clean(ctx); err == nil && gone != nil {
			err = fmt.Errorf("delete what was written: %w", gone)
		}
	}()
	for _, step := range []struct {
		name string
		try  func(context.Context) error
	}{
		{"list", c.list},
		{"put", c.put},
		{"get", c.get},
		{"conditional put", c.conditional},
		{"multipart upload", c.multipart},
		{"presigned URL", c.presigned},
		{"delete", c.remove},
	} {
		if err := step.try(ctx); err != nil {
			return c.notes, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return c.notes, nil
}

// trial is one check that is under way.
type trial struct {
	*Store
	key     string
	written bool
	upload  string
	notes   []string
}

// list also wants a bucket that serves, and a prefix that is empty or sreg's.
func (c *trial) list(ctx context.Context) error {
	if err := c.refuseForeign(ctx); err != nil {
		return err
	}
	return c.refuseVersions(ctx)
}

func (c *trial) put(ctx context.Context) error {
	c.written = true // also where the answer is lost
	_, err := c.write(ctx, c.key, record{Nonce: newNonce(), Data: []byte(c.key)}, nil)
	return err
}

func (c *trial) get(ctx context.Context) error {
	got, err := c.load(ctx, c.key)
	if err == nil && !bytes.Equal(got.Data, []byte(c.key)) {
		err = errors.New("it reads other bytes than were written")
	}
	return err
}

func (c *trial) conditional(ctx context.Context) error {
	knows, err := c.conditions(ctx)
	if err == nil && !knows.writes {
		c.notes = append(c.notes, "the service knows no conditional writes: no immutable tags, no retention, and no collection while somebody writes")
	}
	return err
}

func (c *trial) multipart(ctx context.Context) error {
	at := aws.String(c.prefix + c.key)
	begun, err := c.client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{
		Bucket: &c.bucket, Key: at, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	c.upload = aws.ToString(begun.UploadId)
	part, err := c.client.UploadPart(ctx, &awss3.UploadPartInput{
		Bucket: &c.bucket, Key: at, UploadId: begun.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte(c.key)),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	_, err = c.client.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: &c.bucket, Key: at, UploadId: begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{
			PartNumber: aws.Int32(1), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32,
		}}},
	})
	if err == nil {
		c.upload = ""
	}
	return err
}

// presigned follows the URL as a client would, from here, and compares the clocks by the way.
func (c *trial) presigned(ctx context.Context) error {
	if !c.config.Redirect {
		return nil
	}
	signed, err := c.signer.PresignGetObject(ctx, &awss3.GetObjectInput{Bucket: &c.bucket, Key: aws.String(c.prefix + c.key)},
		awss3.WithPresignExpires(checkURL))
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, signed.URL, nil)
	if err != nil {
		return err
	}
	answer, err := c.http.RoundTrip(request)
	if err != nil {
		return c.unfollowed(err, err.Error())
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody))
	if ahead, ok := c.words.ahead(answer.Header); ok && ahead.Abs() >= notableSkew {
		c.notes = append(c.notes, "the clock of this computer is "+Skew(ahead, c.words.service())+": URLs that it signs may be refused")
	}
	if err != nil || answer.StatusCode != http.StatusOK || string(got) != c.key {
		return c.unfollowed(err, "it answers "+answer.Status)
	}
	return nil
}

// unfollowed blames the address that the URL has.
func (c *trial) unfollowed(err error, what string) error {
	key := "public_endpoint"
	if c.config.PublicEndpoint == "" {
		key = "redirect"
	}
	return c.words.trouble(key, err, "a URL that was signed for clients does not open its object from here, %s; if it cannot, set redirect: false", what)
}

func (c *trial) remove(ctx context.Context) error {
	err := c.Store.remove(ctx, c.key)
	if err == nil {
		c.written = false
	}
	return err
}

// clean removes what is left.
func (c *trial) clean(ctx context.Context) error {
	var errs []error
	if c.upload != "" {
		_, err := c.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
			Bucket: &c.bucket, Key: aws.String(c.prefix + c.key), UploadId: &c.upload,
		})
		errs = append(errs, err)
	}
	if c.written {
		errs = append(errs, c.Store.remove(ctx, c.key))
	}
	return errors.Join(errs...)
}
