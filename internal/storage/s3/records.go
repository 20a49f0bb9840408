package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage"
)

// records are the small objects that carry a state, and change by compare-and-set alone.
type records struct {
	*bucket

	mu       sync.Mutex // guards what follows, also while it is being found out: everybody needs it
	asked    bool
	honoured conditions
}

// conditions are which conditions of a request a service honours.
type conditions struct {
	writes  bool // If-None-Match: * and If-Match of a PUT
	deletes bool // If-Match of a DELETE
}

// errStale says that a record is not what the condition of a write wanted.
var errStale = errors.New("record has changed")

// maxHead is more than the longest head of a record, in bytes.
const maxHead = 4096

// load reads the record of a key. Where nothing lies it is the zero record, without an error.
func (s *records) load(ctx context.Context, key string) (record, error) {
	return s.read(ctx, key, "", decode)
}

// head reads the record of a key without its data.
func (s *records) head(ctx context.Context, key string) (record, error) {
	return s.read(ctx, key, fmt.Sprintf("bytes=0-%d", maxHead-1), decodeHead)
}

// read reads a record, or a range of it.
func (s *records) read(ctx context.Context, key, span string, decode func(b []byte, length int64) (record, error)) (record, error) {
	in := &awss3.GetObjectInput{Bucket: &s.name, Key: s.at(key)}
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
	var r record
	b, err := io.ReadAll(io.LimitReader(out.Body, maxRecord+1))
	if err == nil {
		var length int64
		if length, err = wholeLength(out); err == nil {
			r, err = decode(b, length)
		}
	}
	if err != nil {
		return record{}, s.failure("read", key, err)
	}
	r.etag, r.modTime, r.read = aws.ToString(out.ETag), aws.ToTime(out.LastModified), s.now()
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		r.read = at
	}
	return r, nil
}

// wholeLength is the length of an object of which an answer has all, or a range.
func wholeLength(out *awss3.GetObjectOutput) (int64, error) {
	span := aws.ToString(out.ContentRange)
	if span == "" { // a service may give the whole where a range was asked for
		return aws.ToInt64(out.ContentLength), nil
	}
	_, total, _ := strings.Cut(span, "/")
	length, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the service gave the range %q", span)
	}
	return length, nil
}

// write is the one request of save. A service may refuse although nothing stands in the way: S3 where another
// request for the key is under way, versitygw where a DELETE takes the folder away that it is about to write
// to. Then it is asked again after a pause, and is ErrBusy in the end.
func (s *records) write(ctx context.Context, key string, r record, over *record) (record, error) {
	r.Turn = newNonce()
	b, err := r.encode()
	if err != nil {
		return record{}, err
	}
	in := &awss3.PutObjectInput{
		Bucket: &s.name, Key: s.at(key),
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
func (s *records) written(r record, out *awss3.PutObjectOutput) record {
	if r.DataKey == "" {
		r.Size = int64(len(r.Data))
	}
	r.etag, r.modTime = aws.ToString(out.ETag), s.now()
	return r
}

// Features are those that the service showed; none before it was asked.
func (s *records) Features() storage.Features {
	s.mu.Lock()
	defer s.mu.Unlock()
	return storage.Features{ConditionalWrites: s.honoured.writes, Service: true}
}

// conditions finds out what the service honours, once.
func (s *records) conditions(ctx context.Context) (conditions, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked {
		return s.honoured, nil
	}
	honoured, err := s.try(ctx)
	if err != nil {
		return conditions{}, fmt.Errorf("find out what the service honours: %w", err)
	}
	s.honoured, s.asked = honoured, true
	return honoured, nil
}

// otherETag is that of no record.
const otherETag = `"00000000000000000000000000000000"`

// try makes a write break each condition, and sees whether the service refuses it.
func (s *records) try(ctx context.Context) (honoured conditions, err error) {
	key := probeDir + newNonce()
	defer func() { err = errors.Join(err, s.remove(ctx, key)) }()
	written, err := s.write(ctx, key, record{Nonce: newNonce()}, &record{})
	if refused(err) {
		return honoured, nil
	}
	if err != nil {
		return honoured, err
	}
	for _, step := range []struct {
		over  record
		holds bool // the condition
	}{{record{}, false}, {record{etag: otherETag}, false}, {written, true}} {
		_, err := s.write(ctx, key, record{Nonce: newNonce()}, &step.over)
		if err != nil && !errors.Is(err, errStale) && !refused(err) {
			return honoured, err
		}
		if (err == nil) != step.holds {
			return honoured, nil
		}
	}
	honoured.writes = true
	removed, err := s.removeIf(ctx, key, otherETag)
	if err != nil && !refused(err) {
		return honoured, err
	}
	honoured.deletes = err == nil && !removed
	return honoured, nil
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

// errKeep is what an edit answers to leave a record as it is.
var errKeep = errors.New("leave it as it is")

// edit says what becomes of a record, which may be the zero one.
type edit func(now record) (record, error)

// save writes the record in place of another one: over whatever lies there if over is nil, else only if
// that record lies there still; the zero record means nothing. What lies there instead is errStale. It
// returns the record as it lies there now.
func (s *records) save(ctx context.Context, key string, r record, over *record) (record, error) {
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

// change edits a record by compare-and-set, again and again until nobody was faster. Now is what is thought
// to lie there. It returns what lies there afterwards.
func (s *records) change(ctx context.Context, key string, now record, edit edit) (record, error) {
	for {
		next, err := edit(now)
		if errors.Is(err, errKeep) {
			return now, nil
		}
		if err != nil {
			return now, err
		}
		if now.unfinished() && next.DataKey != now.DataKey {
			if err := s.removeData(ctx, now.DataKey); err != nil { // nobody would name it any more
				return now, err
			}
		}
		saved, err := s.save(ctx, key, next, &now)
		if !errors.Is(err, errStale) {
			return saved, err
		}
		now = saved
	}
}

// update reads a record and edits it.
func (s *records) update(ctx context.Context, key string, edit edit) (record, error) {
	now, err := s.load(ctx, key)
	if err != nil {
		return now, err
	}
	return s.change(ctx, key, now, edit)
}

// finish removes the bytes of an object that ended. Where it is cut short, Sweep goes on.
func (s *records) finish(ctx context.Context, key string, r record) error {
	if !r.unfinished() {
		return nil
	}
	if err := s.removeData(ctx, r.DataKey); err != nil {
		return err
	}
	_, err := s.save(ctx, key, record{State: gone, Nonce: r.Nonce}, &r)
	if errors.Is(err, errStale) { // somebody made it anew, or finished it
		return nil
	}
	return err
}

// keyed is a record and where it lies.
type keyed struct {
	key string
	record
}

// each reads those records below a folder that are wanted, several at once.
func (s *records) each(ctx context.Context, dir string, want func(item) bool, read func(context.Context, string) (record, error)) iter.Seq2[keyed, error] {
	return func(yield func(keyed, error) bool) {
		for page, err := range s.pages(ctx, listing{dir: dir, deep: true, first: wholePage}) {
			if err != nil {
				yield(keyed{}, err)
				return
			}
			wanted := slices.DeleteFunc(page.items, func(i item) bool { return !want(i) })
			for chunk := range slices.Chunk(wanted, atOnce) {
				read, err := together(ctx, chunk, func(ctx context.Context, i item) (record, error) { return read(ctx, i.key) })
				if err != nil {
					yield(keyed{}, err)
					return
				}
				for i, r := range read {
					if !yield(keyed{chunk[i].key, r}, nil) {
						return
					}
				}
			}
		}
	}
}

// atOnce is how many requests one listing has under way.
const atOnce = 16

// together does something for each item of a chunk at the same time, and ends with the first error.
func together[R any](ctx context.Context, items []item, do func(context.Context, item) (R, error)) ([]R, error) {
	results := make([]R, len(items))
	group, ctx := errgroup.WithContext(ctx)
	for i, it := range items {
		group.Go(func() (err error) {
			results[i], err = do(ctx, it)
			return err
		})
	}
	return results, group.Wait()
}

// found is what a listing shows of each record, where it shows it. It ends with the first error.
func found[T any](what string, list iter.Seq2[keyed, error], show func(keyed) (one T, shown bool, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for r, err := range list {
			var one T
			shown := true
			if err == nil {
				one, shown, err = show(r)
			}
			if err != nil {
				yield(one, fmt.Errorf("%s: %w", what, err))
				return
			}
			if shown && !yield(one, nil) {
				return
			}
		}
	}
}

// failed is a listing that does not come about.
func failed[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}
