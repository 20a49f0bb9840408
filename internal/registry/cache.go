package registry

import (
	"context"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/storage"
)

// read finds what an object says: in the cache if one look shows the object that was parsed, else by
// reading and parsing it. parse also says what the value costs to keep, in bytes.
func read[V any](
	ctx context.Context, store storage.Reader, cache *lru.Cache[string, cached[V]], key string,
	parse func(storage.Value) (V, int64, error),
) (value V, err error) {
	if kept, ok := cache.Get(key); ok {
		info, err := store.Stat(ctx, key)
		if err != nil {
			cache.Forget(key)
			return value, err
		}
		if info.Stamp == kept.stamp {
			return kept.value, nil
		}
	}
	object, err := store.Get(ctx, key)
	if err != nil {
		return value, err
	}
	value, cost, err := parse(object)
	if err != nil {
		return value, err
	}
	// What changed a moment ago could change again without a sign; it is kept next time.
	if object.Settled {
		cache.Put(key, cached[V]{stamp: object.Stamp, value: value}, cost)
	}
	return value, nil
}
