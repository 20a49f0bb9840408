package s3

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
)

// The folders that are this package's own. No key begins with one of them.
//
//	_bytes/<id>~<piece>     the bytes of an upload, where they stay
//	_drafts/<key>/<nonce>   prepared objects
//	_locks/<name>           claims
//	_probe/<nonce>          what shows that the service answers, for a moment
//	_uploads/<id>           an upload's label and how far it is
const (
	bytesDir   = "_bytes/"
	draftsDir  = "_drafts/"
	locksDir   = "_locks/"
	probeDir   = "_probe/"
	uploadsDir = "_uploads/"
)

// maxKey is the longest key of S3, in bytes.
const maxKey = 1024

// bucket is the objects of a bucket whose keys begin with a prefix. The keys of this package are without it.
type bucket struct {
	*connection
	name   string
	prefix string // empty, or with a slash at its end
	sums   bool   // checksums are sent beside data
	now    func() time.Time
}

// Root is s3://bucket/prefix.
func (s *bucket) Root() string { return "s3://" + s.name + "/" + s.prefix }

// at is a key as the service knows it.
func (s *bucket) at(key string) *string { return aws.String(s.prefix + key) }

// failure says for which key a request failed.
func (s *bucket) failure(what, key string, err error) error {
	return fmt.Errorf("%s %s%s: %w", what, s.prefix, key, err)
}

// check refuses a key that S3 or its XML cannot carry, or that could meet this package's own folders.
func (s *bucket) check(key string) error {
	if len(s.prefix)+len(key) > maxKey {
		return fmt.Errorf("%w: %q has more than %d bytes with the prefix %q", storage.ErrKey, key, maxKey, s.prefix)
	}
	if !utf8.ValidString(key) || strings.ContainsFunc(key, isControl) {
		return fmt.Errorf("%w: %q", storage.ErrKey, key)
	}
	if reservedDir(key+"/") != "" {
		return fmt.Errorf("%w: %q is the store's own", storage.ErrKey, key)
	}
	return storage.CheckKey(key)
}

// dir is how the keys below a prefix of a listing begin.
func (s *bucket) dir(prefix string) (string, error) {
	if prefix == "" {
		return "", nil
	}
	return prefix + "/", s.check(prefix)
}

// remove deletes what lies under a key, in whatever state it is. What is gone is no error.
func (s *bucket) remove(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &s.name, Key: s.at(key)})
	if err != nil && !isNotFound(err) {
		return s.failure("delete", key, err)
	}
	return nil
}

// removeIf deletes what lies under a key if its ETag is this one, and says whether it was.
func (s *bucket) removeIf(ctx context.Context, key, etag string) (bool, error) {
	_, err := s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{
		Bucket: &s.name, Key: s.at(key), IfMatch: aws.String(etag),
	})
	if isConflict(err) {
		return false, nil
	}
	if err != nil {
		return false, s.failure("delete", key, err)
	}
	return true, nil
}

// reservedDir is the folder of this package's own that a name lies in, or empty.
func reservedDir(name string) string {
	for _, dir := range []string{bytesDir, draftsDir, locksDir, probeDir, uploadsDir} {
		if strings.HasPrefix(name, dir) {
			return dir
		}
	}
	return ""
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// uploadOf is the id of the upload that bytes came by; empty if the key is not one of bytes.
func uploadOf(key string) string {
	name, ours := strings.CutPrefix(key, bytesDir)
	id, piece, cut := strings.Cut(name, "~")
	if !ours || !cut || storage.CheckUploadID(id) != nil || storage.CheckUploadID(piece) != nil {
		return ""
	}
	return id
}

// draftKey is where a draft lies beside its key.
func draftKey(key, name string) string { return draftsDir + key + "/" + name }

// draftOf is the key where a draft is to be published.
func draftOf(lies string) string {
	key := strings.TrimPrefix(lies, draftsDir)
	return key[:max(0, strings.LastIndexByte(key, '/'))]
}
