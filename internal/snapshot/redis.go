package snapshot

import (
	"context"
	"crypto/rand"
	"crypto/sha256"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache"
	cachememory "github.com/sreg-project/sreg/internal/cache/memory"
	cacheredis "github.com/sreg-project/sreg/internal/cache/redis"
	"github.com/sreg-project/sreg/internal/lock"
	lockredis "github.com/sreg-project/sreg/internal/lock/redis"
	"github.com/sreg-project/sreg/internal/redisclient"
	"github.com/sreg-project/sreg/internal/registry"
)

// caches are where answers are kept.
type caches struct {
	own cache.Cache // of this instance
	all cache.Cache // of all instances; own where nothing else is configured
	// sealed is all where that lies in Redis.
	sealed *cache.Sealed
	// signIns is what sign-ins know together with those of other instances, nothing where there is one instance.
	signIns authn.Shared
}

// redisKey is all that a client of Redis is made of.
type redisKey struct {
	settings redisclient.Config
	files    [sha256.Size]byte
}

type redisLocksKey struct {
	redisKey
	settings lock.Config
}

type redisCacheKey struct {
	redisKey
	own bytesize.Size
}

// sealedKey is all that a cache.Sealed is made of: what lies in Redis is marked by a key of the metadata store.
type sealedKey struct {
	redisCacheKey
	metadata location
}

func (c *Core) redisKey() redisKey {
	settings := c.config.Redis
	return redisKey{settings: settings, files: contents(settings.CAFile, settings.CertFile, settings.KeyFile)}
}

// borrowRedis returns a client of Redis. It connects to nobody: the first command does.
func (c *Core) borrowRedis(key redisKey) (*redisclient.Client, error) {
	return c.shared.redis.borrow(&c.opened, key, func() (*redisclient.Client, error) { return redisclient.New(key.settings) })
}

// borrowLocks returns the locks of this process, or those of all instances.
func (c *Core) borrowLocks(state *storesState) (lock.Locker, error) {
	if c.config.Locks.Type != "redis" {
		return state.locks, nil
	}
	key := redisLocksKey{c.redisKey(), c.config.Locks}
	client, err := c.borrowRedis(key.redisKey)
	if err != nil {
		return nil, err
	}
	return c.shared.redisLocks.borrow(&c.opened, key, func() (*lockredis.Locker, error) {
		return lockredis.New(client, key.settings, c.shared.Logger.With("module", "lock")), nil
	})
}

func (c *Core) borrowCaches() (caches, error) {
	own, err := c.shared.ownCaches.borrow(&c.opened, c.config.Cache.Size, func() (*cachememory.Cache, error) {
		return cachememory.New(c.config.Cache.Size), nil
	})
	if err != nil || c.config.Cache.Type != "redis" {
		return caches{own: own, all: own}, err
	}
	key := redisCacheKey{c.redisKey(), c.config.Cache.Size}
	client, err := c.borrowRedis(key.redisKey)
	if err != nil {
		return caches{}, err
	}
	all, err := c.shared.redisCaches.borrow(&c.opened, key, func() (*cacheredis.Cache, error) {
		return cacheredis.New(client, own, c.shared.Logger.With("module", "cache")), nil
	})
	if err != nil {
		return caches{}, err
	}
	sealed, err := c.shared.sealedCaches.borrow(&c.opened, sealedKey{key, c.stores[len(c.stores)-1].location}, func() (*cache.Sealed, error) {
		return cache.NewSealed(all), nil
	})
	return caches{own: own, all: sealed, sealed: sealed, signIns: authn.Shared{Failures: all, Keys: sealed}}, err
}

// unsealCaches gives the cache in Redis the key by which its values are marked, and makes that key if there is none. A
// read-only registry that finds none has one of its own, and believes its own values alone.
func (c *Core) unsealCaches(ctx context.Context) error {
	if c.caches.sealed == nil {
		return nil
	}
	key, err := c.Registry.Secret(ctx, registry.CacheKey)
	if err == nil && key == nil {
		key = []byte(rand.Text() + rand.Text())
		if !c.config.Registry.ReadOnly {
			key, err = c.Registry.KeepSecret(ctx, registry.CacheKey, key)
		}
	}
	if err != nil {
		return err
	}
	c.caches.sealed.Unseal(key)
	return nil
}
