package commands

import (
	"fmt"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
)

// storeRef is what a person names in a store: NAME, NAME:TAG, NAME@DIGEST or DIGEST, each also behind
// store:. What was not named is zero.
type storeRef struct {
	Namespace oci.Name
	Tag       oci.Tag
	Digest    oci.Digest
}

// parseStoreRef reads what a person typed. What it cannot be is a usage error.
func parseStoreRef(text string) (ref storeRef, err error) {
	rest := strings.TrimPrefix(text, "store:")
	wrong := func(err error) (storeRef, error) {
		return storeRef{}, &usageError{
			message: fmt.Sprintf("%q: %v", text, err),
			hint:    "name NAME:TAG, NAME@DIGEST, NAME or DIGEST, as in team/app:1.2 or sha256:6c3c…",
		}
	}
	if d, err := oci.ParseDigest(rest); err == nil {
		return storeRef{Digest: d}, nil
	}
	if name, digest, found := strings.Cut(rest, "@"); found {
		if ref.Digest, err = oci.ParseDigest(digest); err != nil {
			return wrong(err)
		}
		rest = name
	}
	if name, tag, found := strings.Cut(rest, ":"); found {
		if ref.Tag, err = oci.ParseTag(tag); err != nil {
			return wrong(err)
		}
		rest = name
	}
	if ref.Namespace, err = oci.ParseName(rest); err != nil {
		return wrong(err)
	}
	return ref, nil
}
