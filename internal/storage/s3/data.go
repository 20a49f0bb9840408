package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
)

// dataObject is an object of the service that holds the bytes of one of ours, and what shows that they are
// the right ones. Its data key is "<size>:<etag>:<key>", without the quotes of the ETag.
type dataObject struct {
	Key  string `json:"key"` // below the prefix
	Size int64  `json:"size"`
	ETag string `json:"etag"` // as the service gives it
}

// newDataObject checks the ETag that a service gave for bytes that it took.
func newDataObject(key string, size int64, etag *string) (dataObject, error) {
	d := dataObject{Key: key, Size: size, ETag: aws.ToString(etag)}
	if !plainETag(d.ETag) {
		return dataObject{}, fmt.Errorf("write %s: the service gave the ETag %q, which stands for nothing", key, d.ETag)
	}
	return d, nil
}

func (d dataObject) dataKey() storage.DataKey {
	return storage.DataKey(strconv.FormatInt(d.Size, 10) + ":" + strings.Trim(d.ETag, `"`) + ":" + d.Key)
}

// parseDataKey reads what dataKey wrote, and nothing else: no data key leads out of the bytes of uploads.
func parseDataKey(key storage.DataKey) (dataObject, error) {
	size, rest, _ := strings.Cut(string(key), ":")
	etag, name, _ := strings.Cut(rest, ":")
	d := dataObject{Key: name, ETag: `"` + etag + `"`}
	var err error
	d.Size, err = strconv.ParseInt(size, 10, 64)
	if err != nil || d.Size < 0 || d.dataKey() != key || !plainETag(d.ETag) || uploadOf(d.Key) == "" {
		return dataObject{}, fmt.Errorf("%w: data key %q", storage.ErrKey, key)
	}
	return d, nil
}

// plainETag tells whether an ETag can be written into a data key and a condition: a strong one, in quotes.
func plainETag(etag string) bool {
	inner, quoted := strings.CutPrefix(etag, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	return quoted && closed && inner != "" && len(inner) <= 128 && !strings.ContainsFunc(inner, func(c rune) bool {
		return c <= ' ' || c > '~' || c == '"' || c == ':'
	})
}

func (d *dataObject) size() int64 {
	if d == nil {
		return 0
	}
	return d.Size
}

// headData describes what has a key of bytes, with the notes beside it. found is false where nothing has.
func (s *bucket) headData(ctx context.Context, key string) (d dataObject, notes map[string]string, found bool, err error) {
	out, err := s.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &s.name, Key: s.at(key)})
	if isNotFound(err) {
		return dataObject{}, nil, false, nil
	}
	if err != nil {
		return dataObject{}, nil, false, s.failure("look at", key, err)
	}
	if out.ContentLength == nil {
		return dataObject{}, nil, false, s.failure("look at", key, errors.New("the service gave no length"))
	}
	d, err = newDataObject(key, *out.ContentLength, out.ETag)
	return d, out.Metadata, err == nil, err
}

// hasData tells whether these very bytes are there.
func (s *bucket) hasData(ctx context.Context, d dataObject) (bool, error) {
	there, _, found, err := s.headData(ctx, d.Key)
	return found && there == d, err
}

// removeData deletes the bytes of a data key. What is gone is no error.
func (s *bucket) removeData(ctx context.Context, key storage.DataKey) error {
	d, err := parseDataKey(key)
	if err != nil {
		return fmt.Errorf("remove bytes: %w", err)
	}
	return s.remove(ctx, d.Key)
}

// openData opens bytes and asks nobody: the first read does.
func (s *bucket) openData(ctx context.Context, d dataObject) *dataReader {
	return &dataReader{ctx: ctx, s: s, data: d, until: d.Size}
}

// dataReader reads one dataObject by as few requests as the seeks allow. It gives the whole of it or an error.
type dataReader struct {
	ctx     context.Context // of the one who opened it, who reads
	s       *bucket
	data    dataObject
	pos     int64
	until   int64         // what lies from here on is not read
	body    io.ReadCloser // from pos on; nil until it is needed
	modTime time.Time
}

// Read asks the service only if there is something to read.
func (r *dataReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.pos >= r.until {
		return 0, io.EOF
	}
	if err := r.start(); err != nil {
		return 0, err
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.until-r.pos)])
	r.pos += int64(n)
	switch {
	case err == nil || r.pos == r.until && errors.Is(err, io.EOF):
		return n, nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	err = r.s.explainer.explain("GetObject", cut(r.ctx, err))
	return n, r.s.failure(fmt.Sprintf("read at %d of %d of", r.pos, r.data.Size), r.data.Key, err)
}

// Seek costs nothing; a read elsewhere than the last one ended costs a request.
func (r *dataReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.data.Size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek in %s: position %d is before the start", r.data.Key, offset)
	}
	if offset != r.pos || r.until < r.data.Size {
		r.pos, r.until = offset, r.data.Size
		r.drop()
	}
	return offset, nil
}

// Until says where reading ends, until the next Seek: the service is asked for no more than that.
func (r *dataReader) Until(end int64) { r.until = min(end, r.data.Size) }

// Close gives the connection up, unless it was read to its end.
func (r *dataReader) Close() error {
	r.drop()
	return nil
}

func (r *dataReader) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

// start asks for what lies from the position to the end of reading, unless that is open already, and believes no answer
// that is about anything else.
func (r *dataReader) start() error {
	if r.body != nil {
		return nil
	}
	in := &awss3.GetObjectInput{Bucket: &r.s.name, Key: r.s.at(r.data.Key), IfMatch: &r.data.ETag}
	switch {
	case r.until < r.data.Size:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.pos, r.until-1))
	case r.pos > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.pos))
	}
	out, err := r.s.client.GetObject(r.ctx, in, uncheckedBody, streamed)
	if isNotFound(err) {
		err = fmt.Errorf("%w: %w", storage.ErrNotExist, err)
	}
	if err != nil {
		return r.s.failure("read", r.data.Key, err)
	}
	if err := r.check(out); err != nil {
		out.Body.Close()
		return r.s.failure("read", r.data.Key, err)
	}
	r.body, r.modTime = out.Body, aws.ToTime(out.LastModified)
	return nil
}

func (r *dataReader) check(out *awss3.GetObjectOutput) error {
	got, want := aws.ToInt64(out.ContentLength), r.until-r.pos
	span := fmt.Sprintf("bytes %d-%d/%d", r.pos, r.until-1, r.data.Size)
	switch {
	case aws.ToString(out.ETag) != r.data.ETag:
		return fmt.Errorf("other bytes lie there: ETag %s, want %s", aws.ToString(out.ETag), r.data.ETag)
	case out.ContentLength == nil || got != want:
		return fmt.Errorf("the service answers with %d bytes, want %d", got, want)
	case got < r.data.Size && aws.ToString(out.ContentRange) != span:
		return fmt.Errorf("the service answers with the range %q, want %q", aws.ToString(out.ContentRange), span)
	}
	return nil
}
