package httpapi

import (
	"context"
	"iter"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// Resources are what an API shows over HTTP. The registry is all of them; what fills mirrors can stand in for
// those that read.
//
// Their methods may be called by many goroutines. Their errors are those of the registry and oci packages,
// which the table in errors.go knows; every other error is the server's own failure.
type Resources struct {
	Manifests Manifests
	Blobs     Blobs
	Tags      Tags
	Catalog   Catalog
	Content   Content
	Uploads   Uploads
	// Ready returns an error while what is stored cannot be reached.
	Ready func(ctx context.Context) error
}

// Manifests reads manifests.
type Manifests interface {
	// GetManifest finds a manifest by tag or digest, with the bytes that were pushed. Who gets it shares it
	// with others and changes nothing of it.
	GetManifest(ctx context.Context, ns oci.Name, ref oci.Reference) (*registry.Manifest, error)
	// NotePull notes that a client was given the manifest d by a reference. It returns at once.
	NotePull(ns oci.Name, ref oci.Reference, d oci.Digest)
}

// Blobs reads blobs. A blob is found only in a namespace that holds it.
type Blobs interface {
	// OpenBlob opens a blob, whose Content the caller closes.
	OpenBlob(ctx context.Context, ns oci.Name, d oci.Digest) (registry.Blob, error)
	// LocateBlob is OpenBlob for a client that can be redirected: the Blob may have a URL in place of
	// Content. The URL opens the blob for a short while, which ends at until if that is sooner and not zero.
	LocateBlob(ctx context.Context, ns oci.Name, d oci.Digest, until time.Time) (registry.Blob, error)
	// StatBlob describes a blob without its Content. It is a promise: a client that hears that the blob is
	// there does not push it.
	StatBlob(ctx context.Context, ns oci.Name, d oci.Digest) (registry.Blob, error)
}

// Tags lists what a namespace has.
type Tags interface {
	// ListTags gives at most n tags behind last in lexical order, and says whether more follow.
	ListTags(ctx context.Context, ns oci.Name, last string, n int) (tags []string, more bool, err error)
	// Referrers yields the manifests whose subject is a digest, in the order of their digests. A subject that does not
	// exist has none.
	Referrers(ctx context.Context, ns oci.Name, subject oci.Digest) iter.Seq2[registry.Referrer, error]
}

// Catalog lists namespaces.
type Catalog interface {
	// Catalog gives at most n namespaces that show wants, in lexical order, and where the next page begins,
	// nil if there is none. Neither tells of a namespace that is not shown.
	Catalog(ctx context.Context, from registry.Cursor, n int, show registry.Show) (names []string, next *registry.Cursor, err error)
}

// Content changes what namespaces have. What it returned without an error is durable.
type Content interface {
	// PutManifest stores a manifest and its tags.
	PutManifest(ctx context.Context, ns oci.Name, push registry.Push) (registry.Pushed, error)
	// DeleteManifest removes a manifest and every tag that stands for it.
	DeleteManifest(ctx context.Context, ns oci.Name, d oci.Digest, by string) error
	// DeleteTag removes a tag alone.
	DeleteTag(ctx context.Context, ns oci.Name, tag oci.Tag, by string) error
	// DeleteBlob takes a blob from a namespace. Others that hold it keep it.
	DeleteBlob(ctx context.Context, ns oci.Name, d oci.Digest, by string) error
	// MountBlob gives a namespace the blob of another one. registry.ErrBlobUnknown says that from does not
	// hold it.
	MountBlob(ctx context.Context, ns, from oci.Name, d oci.Digest) error
}

// Uploads takes blobs in sessions. A session of another namespace is answered as if there were none.
type Uploads interface {
	// StartUpload begins a session, whose bytes are hashed with the algorithm.
	StartUpload(ctx context.Context, ns oci.Name, algorithm oci.Algorithm, by string) (registry.Upload, error)
	// UploadStatus says how many bytes a session holds.
	UploadStatus(ctx context.Context, ns oci.Name, id string) (registry.Upload, error)
	// AppendUpload adds bytes. What arrived before the body broke off is kept.
	AppendUpload(ctx context.Context, ns oci.Name, id string, chunk registry.Chunk) (registry.Upload, error)
	// CompleteUpload adds the last bytes, if any, and makes the session a durable blob of the namespace. If
	// the bytes have another digest the session is ended.
	CompleteUpload(ctx context.Context, ns oci.Name, id string, chunk registry.Chunk, d oci.Digest) error
	// CancelUpload ends a session. Like the two above it waits for a request that is in the session, by wait unless that
	// is nil.
	CancelUpload(ctx context.Context, ns oci.Name, id string, wait registry.Wait) error
}
