package oci

import "strings"

// Reference is how a request names a manifest: by a tag or by a digest. Exactly one of them is set,
// none in the zero value.
type Reference struct {
	Tag    Tag
	Digest Digest
}

// ParseReference reads a digest where there is a colon, which no tag may hold, and else a tag.
func ParseReference(s string) (Reference, error) {
	if strings.Contains(s, ":") {
		d, err := ParseDigest(s)
		return Reference{Digest: d}, err
	}
	t, err := ParseTag(s)
	return Reference{Tag: t}, err
}

func (r Reference) String() string {
	if r.IsDigest() {
		return r.Digest.String()
	}
	return r.Tag.String()
}

// IsDigest tells whether the manifest is named by its digest.
func (r Reference) IsDigest() bool { return !r.Digest.IsZero() }

// IsZero tells whether nothing is named.
func (r Reference) IsZero() bool { return r == Reference{} }
