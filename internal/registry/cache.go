package registry

import (
	"context"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// cached is a value that is true while a look at its object shows the same stamp.
type cached[V any] struct {
	key   string // of the object or the prefix
	stamp storage.Stamp
	value V
}

// revisionID and tagID name what is cached without building a key.
type (
	revisionID struct {
		ns     oci.Name
		digest oci.Digest
	}
	tagID struct {
		ns  oci.Name
		tag oci.Tag
	}
)

// read finds what an object says: in the cache if one look shows the object that was parsed, else by
// reading and parsing it. keyOf is asked only for what is not cached; parse also says what the value
// costs to keep, in bytes.
func read[ID comparable, V any](
	ctx context.Context, store storage.Reader, cache *lru.Cache[ID, cached[V]], id ID, keyOf func(ID) string,
	parse func(ID, storage.Value) (V, int64, error),
) (value V, err error) {
	if kept, ok := cache.Get(id); ok {
		info, err := store.Stat(ctx, kept.key)
		if err != nil {
			cache.Forget(id)
			return value, err
		}
		if info.Stamp == kept.stamp {
			return kept.value, nil
		}
	}
	key := keyOf(id)
	object, err := store.Get(ctx, key)
	if err != nil {
		return value, err
	}
	value, cost, err := parse(id, object)
	if err != nil {
		return value, damaged(key, err)
	}
	// What changed a moment ago could change again without a sign; it is kept next time.
	if object.Settled {
		cache.Put(id, cached[V]{key: key, stamp: object.Stamp, value: value}, cost+int64(len(key)))
	}
	return value, nil
}
