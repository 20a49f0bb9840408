package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/sreg-project/sreg/internal/storage"
)

// maxCopy is the largest piece that S3 copies into a part.
const maxCopy = int64(maxPart)

// multipart is an upload in parts, as S3 has it and as the record of a session names it.
type multipart struct {
	Key   string `json:"key"`
	ID    string `json:"id"`
	Parts []part `json:"parts,omitempty"`
	// Unsummed says that the parts have no checksums: what the service copies gets none from some.
	Unsummed bool `json:"unsummed,omitempty"`
	// Reserved is the last number that a part may have that somebody is sending. A writer that goes on
	// with the upload of another one sends parts with later numbers, after it said so here: the late
	// part of a writer that lost can then replace none that counts.
	Reserved int32 `json:"reserved,omitempty"`

	begun time.Time // by the service's clock; only where it was listed
}

type part struct {
	Number int32  `json:"number"`
	Size   int64  `json:"size"`
	ETag   string `json:"etag"`
	Sum    string `json:"sum,omitempty"` // CRC-32 as S3 writes it
}

func (m *multipart) size() (n int64) {
	if m != nil {
		for _, p := range m.Parts {
			n += p.Size
		}
	}
	return n
}

// reserve gives back the numbers behind the last one that a writer sent, which is 0 if it sent none.
func (m *multipart) reserve(last int32) {
	if m != nil && last > 0 {
		m.Reserved = last
	}
}

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
func (s *bucket) sum(b []byte) *string {
	if !s.sums {
		return nil
	}
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b))
	return aws.String(base64.StdEncoding.EncodeToString(sum))
}

// beginMultipart begins a multipart upload. Without sums its parts have no checksums.
func (s *bucket) beginMultipart(ctx context.Context, key string, sums bool) (multipart, error) {
	in := &awss3.CreateMultipartUploadInput{Bucket: &s.name, Key: s.at(key), ContentType: aws.String("application/octet-stream")}
	if sums {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	out, err := s.client.CreateMultipartUpload(ctx, in, noSum)
	if err == nil && aws.ToString(out.UploadId) == "" {
		err = errors.New("the service gave no id")
	}
	if err != nil {
		return multipart{}, s.failure("begin the parts of", key, err)
	}
	return multipart{Key: key, ID: *out.UploadId, Unsummed: !sums}, nil
}

func (s *bucket) sendPart(ctx context.Context, m multipart, number int32, b []byte) (part, error) {
	var sum *string
	if !m.Unsummed {
		sum = s.sum(b)
	}
	var out *awss3.UploadPartOutput
	err := insist(ctx, func() (err error) {
		out, err = s.client.UploadPart(ctx, &awss3.UploadPartInput{
			Bucket: &s.name, Key: s.at(m.Key), UploadId: &m.ID, PartNumber: &number,
			Body: bytes.NewReader(b), ContentLength: aws.Int64(int64(len(b))), ChecksumCRC32: sum,
		}, unsigned, noSum)
		return err
	})
	if err != nil {
		return part{}, s.failure(fmt.Sprintf("write part %d of", number), m.Key, err)
	}
	d, err := newDataObject(m.Key, int64(len(b)), out.ETag)
	return part{Number: number, Size: d.Size, ETag: d.ETag, Sum: aws.ToString(sum)}, err
}

// copyPart makes a part of the bytes of an object from one position to before another one. Its source is a header,
// which the SDK wants escaped.
func (s *bucket) copyPart(ctx context.Context, m multipart, number int32, of dataObject, from, to int64) (part, error) {
	out, err := s.client.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{
		Bucket: &s.name, Key: s.at(m.Key), UploadId: &m.ID, PartNumber: &number,
		CopySource: aws.String(httpbinding.EscapePath(s.name+"/"+s.prefix+of.Key, false)), CopySourceIfMatch: &of.ETag,
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1)),
	})
	if err == nil && out.CopyPartResult == nil {
		err = errNoETag
	}
	if err != nil {
		return part{}, s.failure(fmt.Sprintf("copy part %d of", number), m.Key, err)
	}
	d, err := newDataObject(m.Key, to-from, out.CopyPartResult.ETag)
	return part{Number: number, Size: d.Size, ETag: d.ETag}, err
}

// joinParts makes one object of the parts. Again it finds the object that is there already.
func (s *bucket) joinParts(ctx context.Context, m multipart) (dataObject, error) {
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
			Bucket: &s.name, Key: s.at(m.Key), UploadId: &m.ID,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		return err
	})
	if err != nil && !isNotFound(err) {
		return dataObject{}, s.failure("join the parts of", m.Key, err)
	}
	d, _, found, lookErr := s.headData(ctx, m.Key)
	switch {
	case lookErr != nil:
		return dataObject{}, lookErr
	case !found:
		return dataObject{}, s.failure("join the parts of", m.Key, errors.Join(storage.ErrNotExist, err))
	case d.Size != m.size():
		return dataObject{}, s.failure("join the parts of", m.Key, fmt.Errorf("it has %d bytes, want %d", d.Size, m.size()))
	}
	return d, nil
}

// abort ends a multipart upload. One that is gone is no error.
func (s *bucket) abort(ctx context.Context, m multipart) error {
	_, err := s.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
		Bucket: &s.name, Key: s.at(m.Key), UploadId: &m.ID,
	})
	if err != nil && !isNotFound(err) {
		return s.failure("abort the multipart upload of", m.Key, err)
	}
	return nil
}

// multiparts lists the multipart uploads of keys that begin so.
func (s *bucket) multiparts(ctx context.Context, prefix string) iter.Seq2[multipart, error] {
	return func(yield func(multipart, error) bool) {
		in := &awss3.ListMultipartUploadsInput{Bucket: &s.name, Prefix: s.at(prefix)}
		for {
			out, err := s.client.ListMultipartUploads(ctx, in)
			if err != nil {
				yield(multipart{}, s.failure("list the multipart uploads of", prefix, err))
				return
			}
			for _, m := range out.Uploads {
				key, ours := strings.CutPrefix(aws.ToString(m.Key), s.prefix)
				if !ours || !strings.HasPrefix(key, prefix) {
					continue // not what was asked for
				}
				if !yield(multipart{Key: key, ID: aws.ToString(m.UploadId), begun: aws.ToTime(m.Initiated)}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			if aws.ToString(out.NextKeyMarker) == aws.ToString(in.KeyMarker) && aws.ToString(out.NextUploadIdMarker) == aws.ToString(in.UploadIdMarker) {
				yield(multipart{}, s.failure("list the multipart uploads of", prefix, errNoMore))
				return
			}
			in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
		}
	}
}
