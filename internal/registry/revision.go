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

// Image is a tag with the manifest that it stands for, or a manifest that no tag stands for: retention decides about
// images.
type Image struct {
	Tag          oci.Tag // zero: a manifest that has none
	Digest       oci.Digest
	PushedAt     time.Time
	LastPush     time.Time // the last one that was no restore: ranks go by it; zero: PushedAt
	LastPulledAt time.Time // zero: never
	Size         int64     // bytes of the manifest and of all that it names
	MediaType    string
	Platforms    []string // of an index, such as linux/amd64
	Annotations  map[string]string
}

// Verdict is what retention says to one image.
type Verdict struct {
	Kept   bool
	Rule   string   // that keeps it; empty if none does
	Failed []string // rules that failed, and how; each keeps the image
}

// Manifest reads a manifest that a namespace holds. What is gone is ErrGone, a record that cannot be read
// ErrDamaged.
func (m *Maintenance) Manifest(ctx context.Context, ns oci.Name, d oci.Digest) (*Manifest, error) {
	key := revisionKey(ns, d)
	value, err := m.metadata.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s in %s: %w", d, ns, err)
	}
	manifest, err := parseManifest(ns, d, value)
	if err != nil {
		return nil, damaged(key, err)
	}
	return manifest, nil
}

// Names reads what a manifest says, for whoever removes what no manifest names. Content that is not what its
// digest says, or that cannot be parsed, is ErrDamaged. One of a type that sreg does not read names, as layers
// and as children, each digest that it mentions.
func (m *Manifest) Names() (oci.Manifest, error) {
	// With one flipped bit it may still be parsed, but name another layer: then the right one would be removed.
	if err := m.verify(); err != nil {
		return oci.Manifest{}, err
	}
	names, err := m.Parse()
	if err == nil && names.Opaque() {
		names.Layers = mentioned(names, m.Content)
		names.Manifests = names.Layers
	}
	return names, err
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

// Pending yields the manifests whose push is under way: they were prepared and are not published yet.
func (m *Maintenance) Pending(ctx context.Context) iter.Seq2[*Manifest, error] {
	return func(yield func(*Manifest, error) bool) {
		for draft, err := range m.metadata.Drafts(ctx, "") {
			if err != nil {
				yield(nil, fmt.Errorf("list what is pending: %w", err))
				return
			}
			pending, err := parseDraft(draft)
			if !yield(pending, err) {
				return
			}
		}
	}
}

func parseDraft(draft storage.Draft) (*Manifest, error) {
	o, err := parseKeyOf(KindManifest, draft.Key)
	if err != nil {
		return nil, err
	}
	pending, err := parseManifest(o.Namespace, o.Digest, storage.Value{Data: draft.Data})
	if err != nil {
		return nil, damaged(draft.Key, err)
	}
	return pending, nil
}
