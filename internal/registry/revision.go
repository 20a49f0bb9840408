package registry

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Image is a tag with the manifest that it stands for, or a manifest that no tag stands for: what rules of
// retention judge.
type Image struct {
	Tag          oci.Tag // zero: a manifest that has none
	Digest       oci.Digest
	PushedAt     time.Time
	LastPulledAt time.Time // zero: never
	Size         int64     // bytes of the manifest and of all that it names
	MediaType    string
	Platforms    []string // of an index, such as linux/amd64
	Annotations  map[string]string
}

// Revision is a manifest as a namespace holds it.
type Revision struct {
	Digest   oci.Digest
	PushedAt time.Time
	By       string
	Size     int64 // bytes of the manifest
	// StoredSize is that of the object which has it, in bytes.
	StoredSize int64
	StoredAt   time.Time // when it was written last
	// Manifest is what it says. One of a type that sreg does not read names, as layers and as children, each
	// digest that it mentions.
	Manifest oci.Manifest
	// Condemned says that it waits to be revived or destroyed.
	Condemned bool
}

// Revision reads a manifest that a namespace holds. What is gone is ErrGone, what cannot be
// read or parsed ErrDamaged.
func (m *Maintenance) Revision(ctx context.Context, ns oci.Name, d oci.Digest) (Revision, error) {
	key := revisionKey(ns, d)
	value, err := m.metadata.Get(ctx, key)
	if err != nil {
		return Revision{}, fmt.Errorf("read manifest %s in %s: %w", d, ns, err)
	}
	return parseWholeRevision(key, d, value)
}

func parseWholeRevision(key string, d oci.Digest, value storage.Value) (Revision, error) {
	var record revisionRecord
	content, err := unpackRecord(value.Data, &record)
	if err != nil {
		return Revision{}, damaged(key, err)
	}
	// One flipped bit still reads well and names another layer, and the right one would go.
	if got := oci.DigestOf(d.Algorithm(), content); got != d {
		return Revision{}, damaged(key, fmt.Errorf("want the manifest %s, got %s", d, got))
	}
	m, err := oci.ParseManifest(record.MediaType, content)
	if err != nil {
		return Revision{}, damaged(key, err)
	}
	if m.Opaque() {
		m.Layers = mentioned(m, content)
		m.Manifests = m.Layers
	}
	return Revision{
		Digest: d, PushedAt: record.PushedAt, By: record.By, Size: int64(len(content)), StoredSize: value.Size,
		StoredAt: value.ModTime, Condemned: value.State == storage.Condemned, Manifest: m,
	}, nil
}

// digestText is what reads like a digest.
var digestText = regexp.MustCompile(`sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}`)

// mentioned are the digests that stand anywhere in a manifest of a type that sreg does not read: any of them
// may be a blob or a manifest which it names. Its subject is none of them: a referrer does not keep that.
func mentioned(m oci.Manifest, content []byte) (all []oci.Descriptor) {
	for _, text := range digestText.FindAll(content, -1) {
		d, err := oci.ParseDigest(string(text))
		if err != nil || m.Subject != nil && d == m.Subject.Digest {
			continue
		}
		all = append(all, oci.Descriptor{Digest: d})
	}
	return all
}

// Pending is a manifest whose push is under way.
type Pending struct {
	Namespace oci.Name
	Revision
}

// Pending yields the manifests that were prepared and are not published yet.
func (m *Maintenance) Pending(ctx context.Context) iter.Seq2[Pending, error] {
	return func(yield func(Pending, error) bool) {
		for draft, err := range m.metadata.Drafts(ctx, "") {
			if err != nil {
				yield(Pending{}, fmt.Errorf("list what is pending: %w", err))
				return
			}
			pending, err := parseDraft(draft)
			if !yield(pending, err) {
				return
			}
		}
	}
}

func parseDraft(draft storage.Draft) (Pending, error) {
	thing, err := parseThing(draft.Key)
	if err == nil && thing.Kind != KindManifest {
		err = damaged(draft.Key, errNoPlace)
	}
	if err != nil {
		return Pending{}, err
	}
	revision, err := parseWholeRevision(draft.Key, thing.Digest, storage.Value{Data: draft.Data})
	return Pending{Namespace: thing.Namespace, Revision: revision}, err
}
