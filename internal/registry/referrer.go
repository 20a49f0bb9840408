package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Referrer is one manifest that refers to a subject.
type Referrer struct {
	Digest       oci.Digest
	ArtifactType string
	JSON         []byte // its descriptor

	untyped *entryRead // of a manifest that does not, or may not, name its media type, else nil
}

// entryRead is when an entry was read, and how often this process had changed it by then.
type entryRead struct {
	at      time.Time
	changes uint64
}

// trustUntyped is for how long an entry of a manifest that does not name its media type is taken for what it was, unless
// this process changes it: another one may push the same bytes as another type.
const trustUntyped = time.Minute

// Referrers yields the manifests whose subject is a digest, in the order of their digests (spec: Listing referrers). A
// subject that nothing refers to, or that does not exist, has none. They are read one by one, so that a page of them
// costs no more memory than it has bytes. Each is shared: nobody changes it.
func (r *Registry) Referrers(ctx context.Context, ns oci.Name, subject oci.Digest) iter.Seq2[Referrer, error] {
	return func(yield func(Referrer, error) bool) {
		err := r.admit(ns)
		if err == nil {
			err = r.mergeReferrers(ctx, ns, subject, func(one Referrer) bool { return yield(one, nil) })
		}
		if err != nil {
			yield(Referrer{}, fmt.Errorf("list referrers of %s in %s: %w", subject, ns, err))
		}
	}
}

// mergeReferrers yields the entries of a subject and what its fallback tag names beside them.
func (r *Registry) mergeReferrers(ctx context.Context, ns oci.Name, subject oci.Digest, yield func(Referrer) bool) error {
	fallback, done, err := r.fallbackReferrers(ctx, ns, subject)
	if err != nil {
		return err
	}
	defer done()
	more := true
	err = r.eachReferrerEntry(ctx, ns, subject, func(one Referrer) bool {
		for more && len(fallback) > 0 && fallback[0].Digest.String() <= one.Digest.String() {
			if fallback[0].Digest != one.Digest {
				more = yield(fallback[0])
			}
			fallback = fallback[1:]
		}
		more = more && yield(one)
		return more
	})
	for err == nil && more && len(fallback) > 0 {
		more = yield(fallback[0])
		fallback = fallback[1:]
	}
	return err
}

// ReferrerPage says which referrers an index shall have: those of one artifact type, or of all if it is empty, behind
// the digest Last, and how many bytes it may have at most.
type ReferrerPage struct {
	ArtifactType, Last string
	Most               int
}

const (
	indexHead = `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeImageIndex + `","manifests":[`
	indexEnd  = "]}"
)

// Index writes the image index that answers a client. When it would get too long, next is where the next one begins.
func (p ReferrerPage) Index(referrers iter.Seq2[Referrer, error]) (index []byte, next string, err error) {
	return p.Longer([]byte(indexHead+indexEnd), referrers)
}

// Longer writes more into an index that another page, which ended where this one begins, has written.
func (p ReferrerPage) Longer(index []byte, referrers iter.Seq2[Referrer, error]) (longer []byte, next string, err error) {
	index = index[:len(index)-len(indexEnd)]
	last := p.Last
	for referrer, err := range referrers {
		if err != nil {
			return nil, "", err
		}
		if p.Last != "" && referrer.Digest.String() <= p.Last || p.ArtifactType != "" && referrer.ArtifactType != p.ArtifactType {
			continue
		}
		if more := len(referrer.JSON) + 8; len(index)+more > cap(index) {
			index = slices.Grow(index, min(cap(index), p.Most/4)+more)
		}
		if index[len(index)-1] != '[' {
			if len(index)+len(referrer.JSON) > p.Most-8 {
				next = last
				break
			}
			index = append(index, ',')
		}
		index = append(index, referrer.JSON...)
		last = referrer.Digest.String()
	}
	return append(index, indexEnd...), next, nil
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

// eachReferrerEntry yields the entries of a subject, from the cache while its folder has the same stamp. In a folder that
// has changed, and where there are no stamps, the names are listed, and only those are read that are new: what an entry
// says follows from the manifest, whose digest is its name, and for a manifest that does not name its media type from its
// last push. Entries of earlier versions do not say which of both they are. When yield wants no more, it reads on for the
// cache alone.
func (r *Registry) eachReferrerEntry(ctx context.Context, ns oci.Name, subject oci.Digest, yield func(Referrer) bool) error {
	prefix := referrersPrefix(ns, subject)
	stamp, settled, err := r.fingerprint(ctx, prefix)
	if err != nil {
		return err
	}
	kept, _ := r.state.referrers.Get(prefix)
	if settled && kept.settled && kept.stamp == stamp {
		for _, one := range kept.value {
			if !yield(one) {
				break
			}
		}
		return nil
	}
	known := kept.value // in the order of the names
	keep := r.state.keeping.TryAcquire(1)
	if keep {
		defer r.state.keeping.Release(1)
	}
	var entries []Referrer
	var cost int64
	more := true
	for entry, err := range r.metadata.List(ctx, prefix, storage.ListOptions{}) {
		if err != nil {
			return unless(!more, err)
		}
		for len(known) > 0 && referrerName(known[0].Digest) < entry.Name {
			known = known[1:]
		}
		var referrer Referrer
		if len(known) > 0 && referrerName(known[0].Digest) == entry.Name && r.current(known[0], prefix+"/"+entry.Name) {
			referrer = known[0]
		} else if referrer, err = r.referrerEntry(ctx, prefix+"/"+entry.Name); errors.Is(err, storage.ErrNotExist) {
			continue // deleted meanwhile
		} else if err != nil {
			return unless(!more, err)
		}
		if more = more && yield(referrer); !more && !keep {
			return nil
		}
		if !keep {
			continue
		}
		entries = append(entries, referrer)
		if cost += int64(len(referrer.JSON)) + 256; cost > referrerBudget {
			keep, entries = false, nil
		}
	}
	if keep && len(entries) > 0 { // anybody may ask for the referrers of any digest
		r.state.referrers.Put(prefix, cached[[]Referrer]{key: prefix, stamp: stamp, settled: settled, value: entries}, cost)
	}
	return nil
}

// unless is the error of what is read for somebody. Whoever wants no more hears of none.
func unless(read bool, err error) error {
	if read {
		return nil
	}
	return err
}

func (r *core) referrerEntry(ctx context.Context, key string) (Referrer, error) {
	begun := entryRead{at: r.now(), changes: r.state.writes.changes(key)}
	object, err := r.metadata.Get(ctx, key)
	if err != nil {
		return Referrer{}, err
	}
	referrer, untyped, err := parseReferrer(object.Data)
	if err != nil {
		return Referrer{}, damaged(key, err)
	}
	if untyped {
		referrer.untyped = &begun
	}
	return referrer, nil
}

// current tells whether an entry that was read is what lies there.
func (r *core) current(one Referrer, key string) bool {
	read := one.untyped
	return read == nil || r.now().Sub(read.at) < trustUntyped && r.state.writes.changes(key) == read.changes
}

// parseReferrer reads a record without building its annotations, which may be long.
func parseReferrer(record []byte) (referrer Referrer, untyped bool, err error) {
	if referrer.JSON, err = oci.Member(record, "descriptor"); err != nil {
		return referrer, false, err
	}
	mark, err := oci.Member(record, "untyped")
	if err != nil {
		return referrer, false, err
	}
	for key, into := range map[string]any{"digest": &referrer.Digest, "artifactType": &referrer.ArtifactType} {
		value, err := oci.Member(referrer.JSON, key)
		if err == nil && value != nil {
			err = json.Unmarshal(value, into)
		}
		if err != nil {
			return referrer, false, err
		}
	}
	return referrer, string(mark) != "false", nil
}

// fallbackReferrers reads what clients of registries without the referrers API keep under a tag (spec: Referrers Tag
// Schema), in the order of the digests. What such an index names and is gone is left out. done is called when they are
// not needed any more.
func (r *Registry) fallbackReferrers(ctx context.Context, ns oci.Name, subject oci.Digest) (there []Referrer, done func(), err error) {
	nothing := func() {}
	tag, err := oci.ParseTag(fallbackTag(subject))
	if err != nil {
		return nil, nothing, err
	}
	value, err := r.pulledTag(ctx, ns, tag)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nothing, nil
	}
	if err != nil {
		return nil, nothing, err
	}
	done, err = r.state.weigh(ctx, value.Size)
	if err != nil {
		return nil, nothing, err
	}
	if there, err = r.readFallback(ctx, ns, value.Digest); err != nil {
		done()
		return nil, nothing, err
	}
	return there, done, nil
}

// readFallback reads an index that a fallback tag stands for.
func (r *Registry) readFallback(ctx context.Context, ns oci.Name, d oci.Digest) ([]Referrer, error) {
	stored, err := r.readRevision(ctx, pulling, ns, d)
	if errors.Is(err, storage.ErrNotExist) {
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
	var there []Referrer
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
	slices.SortStableFunc(there, func(a, b Referrer) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	return slices.CompactFunc(there, func(a, b Referrer) bool { return a.Digest == b.Digest }), nil
}

// subjectTag is a tag by which clients without the referrers API bind a manifest to its subject (spec:
// Referrers Tag Schema), and cosign its signatures.
var subjectTag = regexp.MustCompile(`^(sha256|sha512)-([0-9a-f]{64,128})(\.[a-z]+)?$`)

// SubjectOf is the manifest that a tag belongs to by its name, zero if there is none.
func SubjectOf(tag oci.Tag) oci.Digest {
	parts := subjectTag.FindStringSubmatch(tag.String())
	if parts == nil {
		return oci.Digest{}
	}
	return digestOfKey(parts[1], parts[2])
}

// fallbackTag is the algorithm and the hex, cut to what a tag can hold.
func fallbackTag(subject oci.Digest) string {
	algorithm, hex := string(subject.Algorithm()), subject.Hex()
	return algorithm[:min(len(algorithm), 32)] + "-" + hex[:min(len(hex), 64)]
}

// putReferrer writes the entry by which the subject's referrers show a manifest.
func (r *core) putReferrer(ctx context.Context, ns oci.Name, m oci.Manifest, d oci.Digest, content []byte) error {
	referrer, err := newReferrer(oci.Descriptor{
		MediaType: m.MediaType, Digest: d, Size: int64(len(content)), ArtifactType: m.ArtifactType, Annotations: m.Annotations,
	})
	if err != nil {
		return err
	}
	typed, err := oci.Member(content, "mediaType")
	if err != nil {
		return fmt.Errorf("put referrer %s: %w", d, err)
	}
	data, err := json.Marshal(referrerRecord{Descriptor: referrer.JSON, Nonce: newNonce(), Untyped: typed == nil})
	if err != nil {
		return fmt.Errorf("put referrer %s: %w", d, err)
	}
	key := referrerKey(ns, m.Subject.Digest, d)
	err = r.state.writes.change(key, func() error { // see entryRead
		_, err := r.metadata.Put(ctx, key, data, storage.PutOptions{})
		return err
	})
	if err != nil {
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
