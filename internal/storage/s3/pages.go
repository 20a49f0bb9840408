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
)

// The number of keys in a page: what S3 gives at most, and what is asked for where one may be enough.
const (
	wholePage = 1000
	shortPage = 10
)

// coarse is how far the times of a service's answers may be apart that are of one moment.
const coarse = 2 * time.Second

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

// errNoMore says that a listing has no end.
var errNoMore = errors.New("the service says that there is more, and not how to get it")

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
func (s *bucket) pages(ctx context.Context, l listing) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		in := &awss3.ListObjectsV2Input{Bucket: &s.name, Prefix: s.at(l.dir), MaxKeys: aws.Int32(l.first)}
		if l.after != "" {
			in.StartAfter = s.at(l.after)
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
				in.ContinuationToken, in.StartAfter = nil, s.at(reserved+lastName)
			} else if aws.ToString(in.ContinuationToken) == "" {
				yield(page{}, s.failure("list", l.dir, errNoMore))
				return
			}
		}
	}
}

// items reads an answer, and wants it in order behind the last key of the answer before.
func (s *bucket) items(out *awss3.ListObjectsV2Output, dir, last string) ([]item, error) {
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
func (s *bucket) serverTime(out *awss3.ListObjectsV2Output) time.Time {
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		return at
	}
	return s.now()
}

// old does something with each record below a folder that was written long enough ago, by the service's own
// clock, and counts where it says that it did. It goes on after an error, and returns all of them.
func (s *bucket) old(ctx context.Context, dir string, age time.Duration, do func(item) (done bool, err error)) (int, error) {
	count := 0
	var errs []error
	for page, err := range s.pages(ctx, listing{dir: dir, deep: true, first: wholePage}) {
		if err != nil {
			return count, errors.Join(append(errs, err)...)
		}
		for _, i := range page.items {
			if i.age = page.now.Add(coarse).Sub(i.modTime); i.age < age {
				continue
			}
			done, err := do(i)
			if done {
				count++
			}
			errs = append(errs, err)
		}
	}
	return count, errors.Join(errs...)
}
