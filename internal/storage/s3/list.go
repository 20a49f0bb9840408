package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/sreg-project/sreg/internal/storage"
)

// The number of keys in a page: what S3 gives at most, and what is asked for where one may be enough.
const (
	wholePage = 1000
	shortPage = 10
)

// atOnce is how many requests one listing has under way.
const atOnce = 16

// lastName is behind every name of a folder: no key holds this character, and no other one follows it.
const lastName = "\U0010FFFF"

// item is one name of a page.
type item struct {
	key     string // without the store's prefix; that of a folder has a slash at its end
	length  int64  // of the record, in bytes
	state   state  // by the length
	etag    string
	modTime time.Time
	age     time.Duration // by the service's clock; set by old alone
}

func (i item) folder() bool { return strings.HasSuffix(i.key, "/") }

// page is one answer of the service.
type page struct {
	items []item
	now   time.Time // by the service's clock
}

// listing says what is listed.
type listing struct {
	dir   string // empty, or with a slash at its end
	after string // a key: only what follows it
	deep  bool
	first int32 // how many keys the first page has at most
}

// pages lists records in lexical order of their keys, a request a page. This package's own folders are left
// out where they are not asked for.
func (s *Store) pages(ctx context.Context, l listing) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		in := &awss3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + l.dir), MaxKeys: aws.Int32(l.first)}
		if l.after != "" {
			in.StartAfter = aws.String(s.prefix + l.after)
		}
		if !l.deep {
			in.Delimiter = aws.String("/")
		}
		last := ""
		for {
			out, err := s.client.ListObjectsV2(ctx, in)
			if err != nil {
				yield(page{}, s.failure("list", l.dir, err))
				return
			}
			items, err := s.items(out, l.dir, last)
			if err != nil {
				yield(page{}, s.failure("list", l.dir, err))
				return
			}
			reserved := ""
			if len(items) > 0 {
				last = items[len(items)-1].key
				reserved = reservedDir(last)
			}
			if l.dir == "" {
				items = slices.DeleteFunc(items, func(i item) bool { return reservedDir(i.key) != "" })
			}
			if !yield(page{items: items, now: s.serverTime(out)}, nil) || !aws.ToBool(out.IsTruncated) {
				return
			}
			in.MaxKeys = aws.Int32(wholePage)
			in.ContinuationToken = out.NextContinuationToken
			if l.dir == "" && reserved != "" { // jump over it
				in.ContinuationToken, in.StartAfter = nil, aws.String(s.prefix+reserved+lastName)
			} else if aws.ToString(in.ContinuationToken) == "" {
				yield(page{}, s.failure("list", l.dir, errors.New("the service says that there is more, and not how to get it")))
				return
			}
		}
	}
}

// items reads an answer, and wants it in order behind the last key of the answer before.
func (s *Store) items(out *awss3.ListObjectsV2Output, dir, last string) ([]item, error) {
	items := make([]item, 0, len(out.Contents)+len(out.CommonPrefixes))
	for _, object := range out.Contents {
		length := aws.ToInt64(object.Size)
		items = append(items, item{
			key: aws.ToString(object.Key), length: length, state: stateOf(length),
			etag: aws.ToString(object.ETag), modTime: aws.ToTime(object.LastModified),
		})
	}
	for _, folder := range out.CommonPrefixes {
		items = append(items, item{key: aws.ToString(folder.Prefix)})
	}
	for i, it := range items {
		name, below := strings.CutPrefix(it.key, s.prefix+dir)
		if !below || name == "" || it.length < 0 {
			return nil, fmt.Errorf("the service listed %q, which was not asked for", it.key)
		}
		items[i].key = dir + name
	}
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.key, b.key) })
	for _, it := range items {
		if it.key <= last {
			return nil, fmt.Errorf("the service listed %q behind %q", it.key, last)
		}
		last = it.key
	}
	return items, nil
}

// serverTime is when the service answered, by its own clock.
func (s *Store) serverTime(out *awss3.ListObjectsV2Output) time.Time {
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		return at
	}
	return s.now()
}

// List shows what is live by the length of its record. A folder of one level is looked into, because
// everything in it may have gone.
func (s *Store) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	return func(yield func(storage.Entry, error) bool) {
		dir, err := s.dir(prefix)
		if err != nil {
			yield(storage.Entry{}, err)
			return
		}
		l := listing{dir: dir, deep: opts.Deep, first: wholePage}
		if opts.After != "" {
			l.after = dir + opts.After
		}
		for page, err := range s.pages(ctx, l) {
			if err != nil {
				yield(storage.Entry{}, err)
				return
			}
			for chunk := range slices.Chunk(page.items, atOnce) {
				shown, err := s.shown(ctx, chunk)
				if err != nil {
					yield(storage.Entry{}, err)
					return
				}
				for i, it := range chunk {
					if shown[i] && it.key > l.after && !yield(storage.Entry{Name: it.key[len(dir):]}, nil) {
						return
					}
				}
			}
		}
	}
}

// shown tells for each name whether it stands for something live.
func (s *Store) shown(ctx context.Context, items []item) ([]bool, error) {
	return together(ctx, items, func(ctx context.Context, i item) (bool, error) {
		if i.folder() {
			return s.anyLive(ctx, i.key)
		}
		return i.state == live, nil
	})
}

// anyLive looks for one live object in a folder.
func (s *Store) anyLive(ctx context.Context, dir string) (bool, error) {
	for page, err := range s.pages(ctx, listing{dir: dir, deep: true, first: shortPage}) {
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page.items, func(i item) bool { return i.state == live }) {
			return true, nil
		}
	}
	return false, nil
}

// keyed is a record and where it lies.
type keyed struct {
	key string
	record
}

// records reads those records below a folder that are wanted, several at once.
func (s *Store) records(ctx context.Context, dir string, want func(item) bool, read func(context.Context, string) (record, error)) iter.Seq2[keyed, error] {
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
