package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
)

// state is where the object of a record stands. The length of a record tells it, modulo stateCount, so
// that a listing tells live objects from others without a request for each.
type state uint8

const (
	live state = iota
	condemned
	gone    // a record, too: an object that is made anew must not be taken for the one that went
	pending // prepared and not published: no object yet
	stateCount
)

// maxRecord bounds what is read of a record: the largest object that is put whole is a manifest.
const maxRecord = 64 << 20

// record is what lies under the key of an object. It is small, carries the object's state, and changes by
// compare-and-set alone.
type record struct {
	State state `json:"state"`
	// Nonce is the object's Version: it stays when the state changes.
	Nonce string `json:"nonce"`
	// Turn is another one for each write, so that no two records are equal, and a writer knows its own.
	Turn string `json:"turn"`
	// Moved is the draft that gave way to this record, if one did.
	Moved moved `json:"moved,omitzero"`
	// Place is where the bytes lie, if not here.
	DataKey storage.DataKey `json:"place,omitempty"`
	Size    int64           `json:"size"` // of the object, in bytes
	Sum     uint32          `json:"sum"`  // CRC-32C of Data

	Data []byte `json:"-"`

	etag    string // empty where nothing lies
	modTime time.Time
	read    time.Time // by the service's clock
}

// moved tells where a draft lies that was pending under its own key, until another one was published there.
type moved struct {
	Nonce string `json:"nonce"` // of the pending record
	Name  string `json:"name"`  // below the folder of the key's drafts
}

// format is the first word of a record: what another program wrote does not begin so.
const format = "sreg1 "

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errStale says that a record is not what the condition of a write wanted.
var errStale = errors.New("record has changed")

// newNonce is a name that nobody else gives.
func newNonce() string { return rand.Text() }

// encode writes the record, padded so that its length tells its state.
func (r record) encode() ([]byte, error) {
	if r.DataKey == "" {
		r.Size, r.Sum = int64(len(r.Data)), crc32.Checksum(r.Data, castagnoli)
	}
	header, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	length := len(format) + len(header) + 1 + len(r.Data)
	pad := (int(r.State) - length%int(stateCount) + int(stateCount)) % int(stateCount)
	b := make([]byte, 0, length+pad)
	b = append(b, format...)
	b = append(b, header...)
	b = append(b, "   "[:pad]...) // white space behind a JSON value is part of it
	b = append(b, '\n')
	return append(b, r.Data...), nil
}

// decode reads a record and wants it whole: what a service answers is not trusted.
func decode(b []byte) (record, error) {
	r, err := decodeHead(b, int64(len(b)))
	if err != nil {
		return r, err
	}
	_, r.Data, _ = bytes.Cut(b, []byte("\n"))
	if r.DataKey == "" && r.Sum != crc32.Checksum(r.Data, castagnoli) {
		return r, errors.New("its data is damaged")
	}
	return r, nil
}

// stateOf tells the state of a record by its length in bytes.
func stateOf(length int64) state { return state(length % int64(stateCount)) }

// there tells whether the record stands for an object: live or condemned.
func (r record) there() bool { return r.etag != "" && (r.State == live || r.State == condemned) }

// info is what the contract says of the object.
func (r record) info() storage.Info {
	info := storage.Info{Size: r.Size, ModTime: r.modTime, DataKey: r.DataKey}
	if r.State == condemned {
		info.State = storage.Condemned
	}
	return info
}

// decodeHead reads the head of a record of which no more is there than its first bytes, and whose whole
// length is known, in bytes.
func decodeHead(b []byte, length int64) (r record, err error) {
	rest, ours := bytes.CutPrefix(b, []byte(format))
	header, _, whole := bytes.Cut(rest, []byte("\n"))
	if !ours || !whole {
		return r, errors.New("it is not a record of sreg")
	}
	if err := json.Unmarshal(header, &r); err != nil {
		return r, fmt.Errorf("its head is damaged: %w", err)
	}
	data := length - int64(len(format)+len(header)+1)
	switch {
	case r.State >= stateCount || stateOf(length) != r.State:
		return r, errors.New("its length does not fit its state")
	case r.Size < 0 || data < 0 || r.DataKey == "" && r.Size != data:
		return r, errors.New("its length does not fit its data")
	}
	return r, nil
}

// load reads the record of a key. Where nothing lies it is the zero record, without an error.
func (s *Store) load(ctx context.Context, key string) (record, error) {
	return s.read(ctx, key, "", func(out *awss3.GetObjectOutput, b []byte) (record, error) {
		if length := aws.ToInt64(out.ContentLength); length != int64(len(b)) {
			return record{}, fmt.Errorf("it has %d bytes, of which %d came", length, len(b))
		}
		return decode(b)
	})
}

// maxHead is more than the longest head of a record, in bytes.
const maxHead = 4096

// head reads the record of a key without its data.
func (s *Store) head(ctx context.Context, key string) (record, error) {
	return s.read(ctx, key, fmt.Sprintf("bytes=0-%d", maxHead-1), func(out *awss3.GetObjectOutput, b []byte) (record, error) {
		length := int64(len(b)) // a service may give the whole
		if whole := aws.ToString(out.ContentRange); whole != "" {
			_, total, _ := strings.Cut(whole, "/")
			var err error
			if length, err = strconv.ParseInt(total, 10, 64); err != nil {
				return record{}, fmt.Errorf("the service gave the range %q", whole)
			}
		}
		return decodeHead(b, length)
	})
}

// read reads a record, or a range of it.
func (s *Store) read(ctx context.Context, key, span string, decode func(*awss3.GetObjectOutput, []byte) (record, error)) (record, error) {
	in := &awss3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)}
	if span != "" {
		in.Range = aws.String(span)
	}
	out, err := s.client.GetObject(ctx, in)
	if isNotFound(err) {
		return record{}, nil
	}
	if err != nil {
		return record{}, s.failure("read", key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(io.LimitReader(out.Body, maxRecord+1))
	if err != nil {
		return record{}, s.failure("read", key, err)
	}
	r, err := decode(out, b)
	if err != nil {
		return record{}, s.failure("read", key, err)
	}
	r.etag, r.modTime, r.read = aws.ToString(out.ETag), aws.ToTime(out.LastModified), s.now()
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		r.read = at
	}
	return r, nil
}

// save writes the record in place of another one: over whatever lies there if over is nil, else only if
// that record lies there still; the zero record means nothing. What lies there instead is errStale. It
// returns the record as it lies there now.
func (s *Store) save(ctx context.Context, key string, r record, over *record) (record, error) {
	if over == nil {
		return s.write(ctx, key, r, nil)
	}
	conditions, err := s.conditions(ctx)
	if err != nil {
		return record{}, err
	}
	if conditions.writes {
		return s.write(ctx, key, r, over)
	}
	// The service knows no conditions: what two processes change at the same time is not told apart.
	now, err := s.load(ctx, key)
	if err != nil {
		return record{}, err
	}
	if now.etag != over.etag {
		return now, s.failure("write", key, errStale)
	}
	return s.write(ctx, key, r, nil)
}

// write is the one request of save. A service may refuse although nothing stands in the way: S3 where another
// request for the key is under way, versitygw where a DELETE takes the folder away that it is about to write
// to. Then it is asked again after a pause, and is ErrBusy in the end.
func (s *Store) write(ctx context.Context, key string, r record, over *record) (record, error) {
	r.Turn = newNonce()
	b, err := r.encode()
	if err != nil {
		return record{}, err
	}
	in := &awss3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key),
		ContentLength: aws.Int64(int64(len(b))), ContentType: aws.String("application/octet-stream"),
	}
	switch {
	case over == nil:
	case over.etag == "":
		in.IfNoneMatch = aws.String("*")
	default:
		in.IfMatch = aws.String(over.etag)
	}
	for refusals := 0; ; {
		in.Body = bytes.NewReader(b)
		out, err := s.client.PutObject(ctx, in)
		switch {
		case err == nil:
			return s.written(r, out), nil
		case !isRefusal(err) && (over == nil || !isConflict(err)):
			return record{}, s.failure("write", key, err)
		}
		if over != nil {
			now, loadErr := s.load(ctx, key)
			switch {
			case loadErr != nil:
				return record{}, loadErr
			case now.Turn == r.Turn: // an attempt whose answer was lost has written it
				return now, nil
			case now.etag != over.etag:
				return now, s.failure("write", key, errStale)
			}
		}
		if refusals++; refusals > maxRefusals {
			return record{}, s.failure("write", key, fmt.Errorf("%w: the service refuses though nothing stands in the way: %w", storage.ErrBusy, err))
		}
		if err := rest(ctx, time.Duration(refusals)*refusalPause); err != nil {
			return record{}, s.failure("write", key, err)
		}
	}
}

// written is a record that the service took.
func (s *Store) written(r record, out *awss3.PutObjectOutput) record {
	if r.DataKey == "" {
		r.Size = int64(len(r.Data))
	}
	r.etag, r.modTime = aws.ToString(out.ETag), s.now()
	return r
}
