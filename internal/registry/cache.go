package registry

import (
	"context"
	"time"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// cached is a value that is valid while a look at its object shows the same stamp. Where stamps do not settle only
// pulls may be answered with it, and only for a while.
type cached[V any] struct {
	key     string // of the object or the prefix
	stamp   storage.Stamp
	settled bool
	readAt  time.Time // when reading began
	changes uint64    // of the key, by this process, when reading began
	value   V
}

// revisionID, tagID and linkID name what is cached without building a key.
type (
	revisionID struct {
		ns     oci.Name
		digest oci.Digest
	}
	tagID struct {
		ns  oci.Name
		tag oci.Tag
	}
	linkID struct {
		ns     oci.Name
		digest oci.Digest
	}
)

// purpose is what something is read for.
type purpose bool

const (
	// promising looks at the store each time.
	promising purpose = false
	// pulling may be answered what was read a while ago, if this process has not changed it since.
	pulling purpose = true
)

// read finds what an object says: in the cache if one look shows the object that was parsed, else by
// reading and parsing it. keyOf is asked only for what is not cached; parse also says what the value
// costs to keep, in bytes. Looked says that the store was asked.
func read[ID comparable, V any](
	ctx context.Context, r *core, why purpose, cache *lru.Cache[ID, cached[V]], id ID, keyOf func(ID) string,
	parse func(ID, storage.Value) (V, int64, error),
) (value V, looked bool, err error) {
	kept, ok := cache.Get(id)
	switch {
	case !ok:
	case kept.settled:
		info, err := r.metadata.Stat(ctx, kept.key)
		if err != nil {
			cache.Forget(id)
			return value, true, err
		}
		if info.Stamp == kept.stamp {
			return kept.value, true, nil
		}
	case why == pulling && remembered(r, kept):
		return kept.value, false, nil
	}
	key := keyOf(id)
	one := cached[V]{key: key, readAt: r.now(), changes: r.state.writes.changes(key)}
	object, err := r.metadata.Get(ctx, key)
	if err != nil {
		return value, true, err
	}
	value, cost, err := parse(id, object)
	if err != nil {
		return value, true, damaged(key, err)
	}
	// An object that has just changed may change again with the same stamp: it is cached the next time.
	if object.Settled || r.metadataTTL > 0 {
		one.stamp, one.settled, one.value = object.Stamp, object.Settled, value
		cache.Put(id, one, cost+int64(len(key)))
	}
	return value, true, nil
}

// remembered tells whether a value may be answered again without a look.
func remembered[V any](r *core, kept cached[V]) bool {
	age := r.now().Sub(kept.readAt) // less than nothing if the clock went back
	return age >= 0 && age < r.metadataTTL && r.state.writes.changes(kept.key) == kept.changes
}
