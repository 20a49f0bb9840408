package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// PullTimes says when tags and manifests of one namespace were last pulled, in whole seconds. What is
// not in it never was, as far as anybody noted. A tag was pulled when its manifest was, too: some clients
// ask for the tag by HEAD, which is no pull, and then for the digest.
type PullTimes struct {
	Tags      map[oci.Tag]time.Time
	Manifests map[oci.Digest]time.Time
}

// PullTimes gives what was recorded of a namespace. It is behind by Config.TrackPullsEvery at most.
func (m *Maintenance) PullTimes(ctx context.Context, ns oci.Name) (PullTimes, error) {
	_, record, err := m.pullsRecord(ctx, ns)
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return PullTimes{}, fmt.Errorf("read pull times of %s: %w", ns, err)
	}
	return PullTimes{Tags: asTimes(record.Tags), Manifests: asTimes(record.Manifests)}, nil
}

func asTimes[K comparable](seconds map[K]int64) map[K]time.Time {
	times := make(map[K]time.Time, len(seconds))
	for key, at := range seconds {
		times[key] = time.Unix(at, 0).UTC()
	}
	return times
}

// PrunePulls drops the times of tags and manifests that are gone. Those that the caller keeps are not looked up. The
// others are, so that one that was pushed again after the caller had looked keeps its time.
func (m *Maintenance) PrunePulls(ctx context.Context, ns oci.Name, keepTag func(oci.Tag) bool, keepManifest func(oci.Digest) bool) error {
	// Not admitted like a client's request: a namespace that no repository lists any more is collected, too.
	if m.config.ReadOnly {
		return ErrReadOnly
	}
	err := m.changePulls(ctx, ns, func(record *pullsRecord) (changed bool, err error) {
		tags, err := prune(record.Tags, func(tag oci.Tag) (bool, error) {
			return m.keeps(ctx, keepTag(tag), tagKey(ns, tag))
		})
		if err != nil {
			return false, err
		}
		manifests, err := prune(record.Manifests, func(d oci.Digest) (bool, error) {
			return m.keeps(ctx, keepManifest(d), revisionKey(ns, d))
		})
		return tags+manifests > 0, err
	})
	if err != nil {
		return fmt.Errorf("prune pull times of %s: %w", ns, err)
	}
	return nil
}

// keeps tells whether an object is wanted, or at least there.
func (m *Maintenance) keeps(ctx context.Context, wanted bool, key string) (bool, error) {
	if wanted {
		return true, nil
	}
	_, err := m.metadata.Stat(ctx, key)
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// prune removes what is not kept and counts it.
func prune[K comparable](seconds map[K]int64, keep func(K) (bool, error)) (removed int, err error) {
	for key := range seconds {
		kept, err := keep(key)
		if err != nil {
			return removed, err
		}
		if !kept {
			delete(seconds, key)
			removed++
		}
	}
	return removed, nil
}

// recordPulls adds what was noted to what is recorded; of two times the later one stays. It does not bring back a
// namespace that is gone.
func (r *Registry) recordPulls(ctx context.Context, ns oci.Name, noted map[pull]*int64) error {
	_, err := r.metadata.Stat(ctx, namespaceKey(ns))
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = r.changePulls(ctx, ns, func(record *pullsRecord) (changed bool, err error) {
			for id, at := range noted {
				if !id.tag.IsZero() {
					changed = later(record.Tags, id.tag, *at) || changed
				}
				changed = later(record.Manifests, id.digest, *at) || changed
			}
			return changed, nil
		})
	}
	if err != nil {
		return fmt.Errorf("record pulls of %s: %w", ns, err)
	}
	return nil
}

// later puts a time in place of an earlier one and says whether it did.
func later[K comparable](seconds map[K]int64, key K, at int64) bool {
	if known, ok := seconds[key]; ok && known >= at {
		return false
	}
	seconds[key] = at
	return true
}

// changePulls changes the record of a namespace by check-and-set: other instances write to it, too.
// change may be called several times. A record of nothing is removed.
func (r *core) changePulls(ctx context.Context, ns oci.Name, change func(*pullsRecord) (changed bool, err error)) error {
	for {
		version, record, err := r.pullsRecord(ctx, ns)
		opts := storage.PutOptions{IfUnchanged: version}
		if errors.Is(err, storage.ErrNotExist) {
			opts, err = storage.PutOptions{IfAbsent: true}, nil
		}
		if err != nil {
			return err
		}
		changed, err := change(&record)
		if err != nil || !changed {
			return err
		}
		err = r.putPulls(ctx, ns, record, opts)
		if !errors.Is(err, storage.ErrChanged) && !errors.Is(err, storage.ErrExists) {
			return err
		}
	}
}

func (r *core) putPulls(ctx context.Context, ns oci.Name, record pullsRecord, opts storage.PutOptions) error {
	key := pullsKey(ns)
	if len(record.Tags)+len(record.Manifests) == 0 {
		return r.metadata.Delete(ctx, key, storage.DeleteOptions{IfUnchanged: opts.IfUnchanged})
	}
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	_, err = r.metadata.Put(ctx, key, data, opts)
	return err
}

// pullsRecord reads the record of a namespace from the store, with the version to change it by. Its
// maps are there also when there is no record.
func (r *core) pullsRecord(ctx context.Context, ns oci.Name) (storage.Version, pullsRecord, error) {
	record := pullsRecord{Tags: map[oci.Tag]int64{}, Manifests: map[oci.Digest]int64{}}
	key := pullsKey(ns)
	object, err := r.liveObject(ctx, key)
	if err != nil {
		return "", record, err
	}
	var stored pullsRecord
	if err := json.Unmarshal(object.Data, &stored); err != nil {
		return "", record, damaged(key, err)
	}
	if stored.Tags == nil || stored.Manifests == nil {
		return "", record, damaged(key, errors.New("it has no tags or no manifests"))
	}
	return object.Version, stored, nil
}
