package commands

import (
	"fmt"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// storeRef names something in a store: a namespace, a tag, a digest in a namespace, a tag and a digest
// that it stands or stood for, or a digest alone.
type storeRef struct {
	Namespace oci.Name
	Tag       oci.Tag
	Digest    oci.Digest
}

// refForms are what parseStoreRef reads, for help and hints.
const refForms = "NAME, NAME:TAG, NAME@DIGEST, NAME:TAG@DIGEST or DIGEST"

// parseStoreRef reads NAME, NAME:TAG, NAME@DIGEST, NAME:TAG@DIGEST or DIGEST, each also behind "store:". A
// store has no host.
func parseStoreRef(text string) (ref storeRef, err error) {
	rest := strings.TrimPrefix(text, "store:")
	if digest, err := oci.ParseDigest(rest); err == nil {
		return storeRef{Digest: digest}, nil
	}
	if algorithm, _, found := strings.Cut(rest, ":"); found {
		if _, err := oci.ParseAlgorithm(algorithm); err == nil {
			_, err := oci.ParseDigest(rest)
			return storeRef{}, refError(text, err) // nobody means the tag of a namespace sha256
		}
	}
	rest, digest, hasDigest := strings.Cut(rest, "@")
	if hasDigest {
		if ref.Digest, err = oci.ParseDigest(digest); err != nil {
			return storeRef{}, refError(text, err)
		}
	}
	name, tag, hasTag := strings.Cut(rest, ":")
	if hasTag {
		if ref.Tag, err = oci.ParseTag(tag); err != nil {
			return storeRef{}, refError(text, err)
		}
	}
	if ref.Namespace, err = oci.ParseName(name); err != nil {
		return storeRef{}, refError(text, err)
	}
	return ref, nil
}

func refError(text string, err error) error {
	hint := "want " + refForms
	if host, _, _ := strings.Cut(strings.TrimPrefix(text, "store:"), "/"); strings.ContainsAny(host, ":.") && host != text {
		hint += ", without the address of a registry"
	}
	return &usageError{message: fmt.Sprintf("reference %q: %v", text, err), hint: hint}
}

// String writes what parseStoreRef reads.
func (r storeRef) String() string {
	if r.Namespace.IsZero() {
		return r.Digest.String()
	}
	text := r.Namespace.String()
	if !r.Tag.IsZero() {
		text += ":" + r.Tag.String()
	}
	if !r.Digest.IsZero() {
		text += "@" + r.Digest.String()
	}
	return text
}

// refOf names a tag without what it stands for.
func refOf(kind registry.Kind, ref storeRef) string {
	if kind == registry.KindTag {
		ref.Digest = oci.Digest{}
	}
	return ref.String()
}
