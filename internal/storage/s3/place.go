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
	"github.com/aws/smithy-go/middleware"

	"github.com/sreg-project/sreg/internal/storage"
)

// location is where bytes lie, and what shows that they are the right ones. As a Place it is
// "<size>:<etag>:<key>", without the quotes of the etag.
type location struct {
	Key  string `json:"key"` // below the prefix
	Size int64  `json:"size"`
	ETag string `json:"etag"` // as the service gives it
}

func (l location) place() storage.DataKey {
	return storage.DataKey(strconv.FormatInt(l.Size, 10) + ":" + strings.Trim(l.ETag, `"`) + ":" + l.Key)
}

// parsePlace reads what place wrote, and nothing else: no place leads out of the bytes of uploads.
func parsePlace(place storage.DataKey) (location, error) {
	size, rest, _ := strings.Cut(string(place), ":")
	etag, key, _ := strings.Cut(rest, ":")
	l := location{Key: key, ETag: `"` + etag + `"`}
	var err error
	if l.Size, err = strconv.ParseInt(size, 10, 64); err != nil || l.Size < 0 || l.place() != place {
		return location{}, fmt.Errorf("%w: place %q", storage.ErrKey, place)
	}
	if !plainETag(l.ETag) || l.session() == "" {
		return location{}, fmt.Errorf("%w: place %q", storage.ErrKey, place)
	}
	return l, nil
}

// session is the id of the upload that the bytes came by; empty if the key is not of that kind.
func (l location) session() string {
	name, ours := strings.CutPrefix(l.Key, bytesDir)
	id, piece, cut := strings.Cut(name, "~")
	if !ours || storage.CheckUploadID(id) != nil || !cut || storage.CheckUploadID(piece) != nil {
		return ""
	}
	return id
}

// plainETag tells whether an etag can be written into a place and a condition: a strong one, in quotes.
func plainETag(etag string) bool {
	inner, quoted := strings.CutPrefix(etag, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	return quoted && closed && inner != "" && len(inner) <= 128 && !strings.ContainsFunc(inner, func(c rune) bool {
		return c <= ' ' || c > '~' || c == '"' || c == ':'
	})
}

// located checks the etag that a service gave for bytes that were just written.
func located(key string, size int64, etag *string) (location, error) {
	l := location{Key: key, Size: size, ETag: aws.ToString(etag)}
	if !plainETag(l.ETag) {
		return location{}, fmt.Errorf("write %s: the service gave the ETag %q, which stands for nothing", key, l.ETag)
	}
	return l, nil
}

// OpenData opens the bytes at their start at once, so that what is gone shows here.
func (s *Store) OpenData(ctx context.Context, place storage.DataKey) (io.ReadSeekCloser, storage.Info, error) {
	l, err := parsePlace(place)
	if err != nil {
		return nil, storage.Info{}, fmt.Errorf("open a place: %w", err)
	}
	r := s.openBytes(ctx, l)
	if err := r.start(); err != nil {
		return nil, storage.Info{}, err
	}
	return r, storage.Info{Size: l.Size, ModTime: r.modTime, DataKey: place}, nil
}

// Presign signs for the address that clients know.
func (s *Store) Presign(ctx context.Context, place storage.DataKey, opts storage.PresignOptions) (string, error) {
	l, err := parsePlace(place)
	if err != nil {
		return "", fmt.Errorf("presign a place: %w", err)
	}
	in := &awss3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + l.Key)}
	if opts.MediaType != "" {
		in.ResponseContentType = &opts.MediaType
	}
	expires := opts.Expires
	if expires <= 0 {
		expires = s.config.RedirectTTL
	}
	signed, err := s.signer.PresignGetObject(ctx, in, awss3.WithPresignExpires(expires))
	if err != nil {
		return "", fmt.Errorf("presign %s%s: %w", s.prefix, l.Key, err)
	}
	return signed.URL, nil
}

// uncheckedBody leaves the checksum out that the service would give: of a range there is none, and
// bytes are checked against their digest by whoever pulls them.
func uncheckedBody(o *awss3.Options) {
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}

// streamed leaves the body of an answer to whoever reads it, as it comes.
func streamed(o *awss3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		_, err := stack.Deserialize.Remove(wholeAnswers{}.ID())
		return err
	})
}

// openBytes opens bytes without a look: the first read asks for them.
func (s *Store) openBytes(ctx context.Context, l location) *bytesReader {
	return &bytesReader{ctx: ctx, s: s, at: l}
}

// openPlace opens bytes that a record names, and takes its word that they are there.
func (s *Store) openPlace(ctx context.Context, place storage.DataKey) (io.ReadSeekCloser, storage.Info, error) {
	l, err := parsePlace(place)
	if err != nil {
		return nil, storage.Info{}, fmt.Errorf("open a place: %w", err)
	}
	return s.openBytes(ctx, l), storage.Info{Size: l.Size, DataKey: place}, nil
}

// bytesReader reads the bytes of one location by as few requests as the seeks allow. It gives the whole
// of them or an error.
type bytesReader struct {
	ctx     context.Context // of the one who opened it, who reads
	s       *Store
	at      location
	pos     int64
	body    io.ReadCloser // from pos on; nil until it is needed
	modTime time.Time
}

// Read asks the service only if there is something to read.
func (r *bytesReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.pos >= r.at.Size {
		return 0, io.EOF
	}
	if err := r.start(); err != nil {
		return 0, err
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.at.Size-r.pos)])
	r.pos += int64(n)
	switch {
	case err == nil || r.pos == r.at.Size && errors.Is(err, io.EOF):
		return n, nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	err = r.s.words.explain("GetObject", cut(r.ctx, err))
	return n, r.s.failure(fmt.Sprintf("read at %d of %d of", r.pos, r.at.Size), r.at.Key, err)
}

// Seek costs nothing; a read elsewhere than the last one ended costs a request.
func (r *bytesReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.at.Size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek in %s: position %d is before the start", r.at.Key, offset)
	}
	if offset != r.pos {
		r.pos = offset
		r.drop()
	}
	return offset, nil
}

// Close gives the connection up, unless it was read to its end.
func (r *bytesReader) Close() error {
	r.drop()
	return nil
}

func (r *bytesReader) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

// start asks for what lies from the position on, unless that is open already, and believes no answer
// that is about anything else.
func (r *bytesReader) start() error {
	if r.body != nil {
		return nil
	}
	in := &awss3.GetObjectInput{Bucket: &r.s.bucket, Key: aws.String(r.s.prefix + r.at.Key), IfMatch: &r.at.ETag}
	if r.pos > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.pos))
	}
	out, err := r.s.client.GetObject(r.ctx, in, uncheckedBody, streamed)
	if isNotFound(err) {
		err = fmt.Errorf("%w: %w", storage.ErrNotExist, err)
	}
	if err != nil {
		return r.s.failure("read", r.at.Key, err)
	}
	if err := r.check(out); err != nil {
		out.Body.Close()
		return r.s.failure("read", r.at.Key, err)
	}
	r.body, r.modTime = out.Body, aws.ToTime(out.LastModified)
	return nil
}

func (r *bytesReader) check(out *awss3.GetObjectOutput) error {
	got, want := aws.ToInt64(out.ContentLength), r.at.Size-r.pos
	span := fmt.Sprintf("bytes %d-%d/%d", r.pos, r.at.Size-1, r.at.Size)
	switch {
	case aws.ToString(out.ETag) != r.at.ETag:
		return fmt.Errorf("other bytes lie there: ETag %s, want %s", aws.ToString(out.ETag), r.at.ETag)
	case out.ContentLength == nil || got != want:
		return fmt.Errorf("the service answers with %d bytes, want %d", got, want)
	case r.pos > 0 && aws.ToString(out.ContentRange) != span:
		return fmt.Errorf("the service answers with the range %q, want %q", aws.ToString(out.ContentRange), span)
	}
	return nil
}

// look asks what lies at a key of bytes, and with which notes. found is false where nothing does.
func (s *Store) look(ctx context.Context, key string) (at location, notes map[string]string, found bool, err error) {
	out, err := s.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if isNotFound(err) {
		return location{}, nil, false, nil
	}
	if err != nil {
		return location{}, nil, false, s.failure("look at", key, err)
	}
	if out.ContentLength == nil {
		return location{}, nil, false, s.failure("look at", key, errors.New("the service gave no length"))
	}
	at, err = located(key, *out.ContentLength, out.ETag)
	return at, out.Metadata, err == nil, err
}

// removePlace deletes the bytes of a place. What is gone is no error.
func (s *Store) removePlace(ctx context.Context, place storage.DataKey) error {
	l, err := parsePlace(place)
	if err != nil {
		return fmt.Errorf("remove a place: %w", err)
	}
	return s.remove(ctx, l.Key)
}

// inUpload tells whether the session that a place's bytes came by is still open.
func (s *Store) inUpload(ctx context.Context, place storage.DataKey) (bool, error) {
	l, err := parsePlace(place)
	if err != nil {
		return false, err
	}
	r, err := s.head(ctx, uploadsDir+l.session())
	return r.there(), err
}
