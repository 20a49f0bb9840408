package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// maxIndex is the longest index of referrers, in bytes; clients read no more of one answer.
const maxIndex = 4 << 20

// Referrer is one manifest that refers to a subject.
type Referrer struct {
	Digest       oci.Digest
	ArtifactType string
	JSON         []byte // its descriptor
}

// Referrers are those of one subject, in the order of their digests. They are shared: nobody changes
// them.
type Referrers []Referrer

// Referrers gives the manifests whose subject is a digest (spec: Listing referrers). A subject that
// nothing refers to, or that does not exist, has none.
func (r *Registry) Referrers(ctx context.Context, ns oci.Name, subject oci.Digest) (Referrers, error) {
	if err := r.admit(ns); err != nil {
		return nil, err
	}
	entries, err := r.referrerEntries(ctx, ns, subject)
	if err != nil {
		return nil, fmt.Errorf("list referrers of %s in %s: %w", subject, ns, err)
	}
	fallback, err := r.fallbackReferrers(ctx, ns, subject)
	if err != nil || len(fallback) == 0 {
		return entries, err
	}
	merged := slices.Concat(entries, fallback)
	slices.SortStableFunc(merged, func(a, b Referrer) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	return slices.CompactFunc(merged, func(a, b Referrer) bool { return a.Digest == b.Digest }), nil
}

// Index writes the image index that answers a client: the referrers of one artifact type, or of all
// if it is empty, behind the digest last. When it would get too long, next is where the next one
// begins.
func (all Referrers) Index(artifactType, last string) (index []byte, next string) {
	size := 128
	for _, referrer := range all {
		size += len(referrer.JSON) + 1
	}
	index = make([]byte, 0, min(size, maxIndex))
	index = append(index, `{"schemaVersion":2,"mediaType":"`+oci.MediaTypeImageIndex+`","manifests":[`...)
	previous := ""
	for _, referrer := range all {
		digest := referrer.Digest.String()
		if digest <= last || artifactType != "" && referrer.ArtifactType != artifactType {
			continue
		}
		if previous != "" {
			if len(index)+len(referrer.JSON) > maxIndex-8 {
				next = previous
				break
			}
			index = append(index, ',')
		}
		index = append(index, referrer.JSON...)
		previous = digest
	}
	return append(index, "]}"...), next
}

// newReferrer keeps a descriptor as it will be sent.
func newReferrer(d oci.Descriptor) (Referrer, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return Referrer{}, fmt.Errorf("write descriptor of %s: %w", d.Digest, err)
	}
	return Referrer{Digest: d.Digest, ArtifactType: d.ArtifactType, JSON: text}, nil
}

// fingerprint is the stamp of a folder. It is never settled in a store that has none of folders.
func (r *Registry) fingerprint(ctx context.Context, prefix string) (stamp storage.Stamp, settled bool, err error) {
	if folders, ok := storage.As[storage.Fingerprinter](r.metadata); ok {
		return folders.Fingerprint(ctx, prefix)
	}
	return stamp, false, nil
}

// referrerEntries reads the entries of a subject, from the cache while its folder has the same stamp. In a folder that
// has changed, and where there are no stamps, the names are listed, and only those are read that are new: what an entry
// says follows from the manifest, whose digest is its name.
func (r *Registry) referrerEntries(ctx context.Context, ns oci.Name, subject oci.Digest) (Referrers, error) {
	prefix := referrersPrefix(ns, subject)
	stamp, settled, err := r.fingerprint(ctx, prefix)
	if err != nil {
		return nil, err
	}
	kept, _ := r.state.referrers.Get(prefix)
	if settled && kept.settled && kept.stamp == stamp {
		return kept.value, nil
	}
	known := kept.value // in the order of the names
	var entries Referrers
	var cost int64
	for entry, err := range r.metadata.List(ctx, prefix, storage.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		for len(known) > 0 && referrerName(known[0].Digest) < entry.Name {
			known = known[1:]
		}
		var referrer Referrer
		if len(known) > 0 && referrerName(known[0].Digest) == entry.Name {
			referrer = known[0]
		} else if referrer, err = r.referrerEntry(ctx, prefix+"/"+entry.Name); errors.Is(err, storage.ErrNotExist) {
			continue // deleted meanwhile
		} else if err != nil {
			return nil, err
		}
		entries = append(entries, referrer)
		cost += int64(len(referrer.JSON)) + 256
	}
	r.state.referrers.Put(prefix, cached[Referrers]{key: prefix, stamp: stamp, settled: settled, value: entries}, cost)
	return entries, nil
}

func (r *core) referrerEntry(ctx context.Context, key string) (Referrer, error) {
	object, err := r.metadata.Get(ctx, key)
	if err != nil {
		return Referrer{}, err
	}
	var record referrerRecord
	if err := json.Unmarshal(object.Data, &record); err != nil {
		return Referrer{}, damaged(key, err)
	}
	return newReferrer(record.Descriptor)
}

// fallbackReferrers reads what clients of registries without the referrers API keep under a tag
// (spec: Referrers Tag Schema). What such an index names and is gone is left out.
func (r *Registry) fallbackReferrers(ctx context.Context, ns oci.Name, subject oci.Digest) (Referrers, error) {
	tag, err := oci.ParseTag(fallbackTag(subject))
	if err != nil {
		return nil, err
	}
	stored, err := r.GetManifest(ctx, ns, oci.Reference{Tag: tag})
	if errors.Is(err, ErrManifestUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := stored.Parse()
	if err != nil {
		return nil, err
	}
	if m.MediaType != oci.MediaTypeImageIndex {
		return nil, nil // a tag of that name which is no such index
	}
	var there Referrers
	for _, d := range m.Manifests {
		gone, err := r.absent(ctx, ns, d.Digest)
		if err != nil {
			return nil, err
		}
		if gone {
			continue
		}
		referrer, err := newReferrer(d)
		if err != nil {
			return nil, err
		}
		there = append(there, referrer)
	}
	return there, nil
}

// fallbackTag is the algorithm and the hex, cut to what a tag can hold.
func fallbackTag(subject oci.Digest) string {
	algorithm, hex := string(subject.Algorithm()), subject.Hex()
	return algorithm[:min(len(algorithm), 32)] + "-" + hex[:min(len(hex), 64)]
}

// putReferrer writes the entry by which the subject's referrers show a manifest.
func (r *core) putReferrer(ctx context.Context, ns oci.Name, m oci.Manifest, d oci.Digest, size int64) error {
	data, err := json.Marshal(referrerRecord{
		Descriptor: oci.Descriptor{
			MediaType: m.MediaType, Digest: d, Size: size,
			ArtifactType: m.ArtifactType, Annotations: m.Annotations,
		},
		Nonce: newNonce(),
	})
	if err != nil {
		return fmt.Errorf("put referrer %s: %w", d, err)
	}
	key := referrerKey(ns, m.Subject.Digest, d)
	if _, err := r.metadata.Put(ctx, key, data, storage.PutOptions{}); err != nil {
		return fmt.Errorf("put referrer %s of %s in %s: %w", d, m.Subject.Digest, ns, err)
	}
	return nil
}

// deleteReferrerOf removes the entry of a revision which is gone, given the object that had it.
func (r *Registry) deleteReferrerOf(ctx context.Context, ns oci.Name, d oci.Digest, value storage.Value) error {
	stored, err := parseManifest(ns, d, value)
	if err != nil {
		return damaged(revisionKey(ns, d), err)
	}
	m, err := stored.Parse()
	if err != nil || m.Subject == nil {
		return err
	}
	return r.deleteReferrerEntry(ctx, ns, m.Subject.Digest, d)
}

// deleteReferrerEntry removes an entry whose revision is gone. The entry is read before the last look at
// the revision: a push that made it anew rewrites the entry.
func (r *core) deleteReferrerEntry(ctx context.Context, ns oci.Name, subject, d oci.Digest) error {
	key := referrerKey(ns, subject, d)
	object, err := r.liveObject(ctx, key)
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read referrer %s in %s: %w", d, ns, err)
	}
	gone, err := r.absent(ctx, ns, d)
	if err != nil || !gone {
		return err
	}
	err = r.metadata.Delete(ctx, key, storage.DeleteOptions{IfUnchanged: object.Version})
	if err != nil && !errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("delete referrer %s in %s: %w", d, ns, err)
	}
	return nil
}
