package s3

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sreg-project/sreg/internal/storage"
)

// The folders that are this package's own. No key begins with one of them.
//
//	_bytes/<id>             the bytes of an upload, where they stay
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

// check refuses a key that S3 or its XML cannot carry, or that could meet this package's own folders.
func (s *Store) check(key string) error {
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
func (s *Store) dir(prefix string) (string, error) {
	if prefix == "" {
		return "", nil
	}
	return prefix + "/", s.check(prefix)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// reservedDir is the folder of this package's own that a name lies in, or empty.
func reservedDir(name string) string {
	for _, dir := range []string{bytesDir, draftsDir, locksDir, probeDir, uploadsDir} {
		if strings.HasPrefix(name, dir) {
			return dir
		}
	}
	return ""
}
