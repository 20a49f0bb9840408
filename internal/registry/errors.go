package registry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// What a caller of a Registry branches on. A failure that wraps none of these, nor one of the oci
// or storage packages, is the store's.
var (
	// ErrBlobUnknown says that the namespace does not hold the blob.
	ErrBlobUnknown = errors.New("no such blob")
	// ErrManifestUnknown says that the namespace has no such tag or revision.
	ErrManifestUnknown = errors.New("no such tag or manifest")
	// ErrNameUnknown says that nothing was ever pushed to the namespace.
	ErrNameUnknown = errors.New("namespace unknown")
	// ErrUnlisted says that the namespace is under no configured repository and must be.
	ErrUnlisted = errors.New("namespace is under no configured repository")
	// ErrUploadUnknown says that the namespace has no such session, or that its time is over.
	ErrUploadUnknown = errors.New("no such upload")
	// ErrUploadBusy says that somebody else writes to the session.
	ErrUploadBusy = errors.New("another request is writing to this upload")
	// ErrReadOnly says that the registry takes no writes.
	ErrReadOnly = errors.New("registry is read-only")
	// ErrMirror says that the namespace is filled from an upstream registry and takes no other writes.
	ErrMirror = errors.New("namespace is a mirror")
	// ErrTooLarge says that a blob or manifest is over its limit.
	ErrTooLarge = errors.New("content is too large")
	// ErrDigestMismatch says that the content has another digest than the one named.
	ErrDigestMismatch = errors.New("content does not match its digest")
	// ErrNoSpace says that a store is full. Nothing of the request remains.
	ErrNoSpace = storage.ErrNoSpace
	// ErrNotWritable says that a store takes no writes at present.
	ErrNotWritable = storage.ErrNotWritable
	// ErrBusy says that another process holds a lock of a store for too long.
	ErrBusy = storage.ErrBusy
	// ErrLocksUnavailable says that the locks of this registry could not be reached, or were lost during
	// the request. What was acknowledged stands.
	ErrLocksUnavailable = lock.ErrUnavailable
	// ErrDisturbed says that what a push names was removed each time that it was tried.
	ErrDisturbed = errors.New("what the push named was removed meanwhile")
	// ErrNotInTrash says that the trash has no entry by which something could be restored.
	ErrNotInTrash = errors.New("not in the trash")
)

// UnavailableError says that a store does not answer, and when to ask again.
type UnavailableError = storage.UnavailableError

// ErrDamaged says that a record of the stores cannot be read, that bytes are not what their digest says, or that a
// name in the stores is none of the layout. The error names the key. It is no fault of the client.
var ErrDamaged = errors.New("damaged record")

// damaged does not wrap err on purpose: a digest in a record that does not parse is no mistake of the client's, and
// must not look like one. An error that is ErrDamaged already stays as it is.
func damaged(key string, err error) error {
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %s: %s", ErrDamaged, key, err.Error())
}

// ImmutableTagError says that a tag that must not change stands for another manifest.
type ImmutableTagError struct {
	Tag oci.Tag
	Now oci.Digest
}

func (e *ImmutableTagError) Error() string {
	return fmt.Sprintf("tag %s is immutable and stands for %s", e.Tag, e.Now)
}

// TagMovedError says that a tag which is to be restored was pushed again and stands for another manifest.
type TagMovedError struct {
	Namespace oci.Name
	Tag       oci.Tag
	Now       oci.Digest
	Removed   oci.Digest // what the restore would put back
}

func (e *TagMovedError) Error() string {
	return fmt.Sprintf("tag %s of %s was pushed again and stands for %s", e.Tag, e.Namespace, e.Now)
}

// AmbiguousDigestError says that a digest was removed from more than one namespace.
type AmbiguousDigestError struct {
	Digest     oci.Digest
	Namespaces []oci.Name
}

func (e *AmbiguousDigestError) Error() string {
	return fmt.Sprintf("%s was removed from %d namespaces: %s", e.Digest, len(e.Namespaces), joined(e.Namespaces))
}

func joined[S fmt.Stringer](list []S) string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = one.String()
	}
	return strings.Join(texts, ", ")
}

// MissingError names what a manifest refers to and the namespace does not hold.
type MissingError struct {
	Digests []oci.Digest `json:"digests"`
}

func (e *MissingError) Error() string {
	return "manifest names content that the namespace does not hold: " + joined(e.Digests)
}

// RangeError says that a chunk did not begin at the end of its upload.
type RangeError struct {
	Size int64 // bytes that the upload holds: where the next chunk has to begin
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("chunk must begin at byte %d, where the upload ends", e.Size)
}
