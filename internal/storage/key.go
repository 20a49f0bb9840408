package storage

import (
	"fmt"
	"strings"
)

// The longest component of a key and the longest id of a session, in bytes.
const (
	maxComponent = 255
	maxUploadID  = 128
)

// CheckKey refuses a malformed key with ErrKey. A Store may refuse more: what is its own.
func CheckKey(key string) error {
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." || len(part) > maxComponent || strings.IndexByte(part, 0) >= 0 {
			return fmt.Errorf("%w: %q", ErrKey, key)
		}
	}
	return nil
}

// CheckUploadID refuses what cannot be the id of a session: none has it, so it is ErrNotExist.
func CheckUploadID(id string) error {
	if id == "" || len(id) > maxUploadID {
		return fmt.Errorf("%w: upload id of %d bytes", ErrNotExist, len(id))
	}
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
		if !letter {
			return fmt.Errorf("%w: upload id %q", ErrNotExist, id)
		}
	}
	return nil
}
