package oci

import "fmt"

// maxTagLength bounds a tag, in bytes.
const maxTagLength = 128

// Tag is a name for a manifest within its namespace. It is comparable; the zero value is no tag.
type Tag struct{ text }

// ParseTag accepts [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}, else ErrTagInvalid.
func ParseTag(s string) (Tag, error) {
	if s == "" || len(s) > maxTagLength {
		return Tag{}, fmt.Errorf("%w: want 1 to %d bytes, got %d", ErrTagInvalid, maxTagLength, len(s))
	}
	for i := range len(s) {
		c := s[i]
		inside := c == '.' || c == '-'
		if !isAlnum(c) && c != '_' && (i == 0 || !inside) {
			return Tag{}, fmt.Errorf("%w: want letters, digits, '_', and after the first also '.' and '-', got %s",
				ErrTagInvalid, quote(s))
		}
	}
	return Tag{text{s}}, nil
}

// Clone is the same tag, which holds no memory of the text that it was parsed from.
func (t Tag) Clone() Tag { return Tag{t.clone()} }

// UnmarshalText parses as ParseTag does.
func (t *Tag) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTag(string(text))
	return err
}
