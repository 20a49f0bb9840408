// Package redisclient connects to Redis.
// It promises that one config makes one client, be it of a server, of Sentinels or of a Cluster, that no
// command waits long for a Redis that is not there, and that errors name the key to change.
// It must not know what is kept in Redis.
package redisclient

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/sreg-project/sreg/internal/setting"
)

const (
	// timeout bounds a dial, a write and the wait for an answer, each: Redis answers in less than a
	// millisecond, or something is wrong. The URL may set another one.
	timeout = time.Second
	// retries is how often a command is sent again after a connection broke.
	retries = 1
	// checkFor is how long the key of a check stays if its process is killed.
	checkFor = 10 * time.Second
	// checkKeys is how many keys a check tries: one host of a Cluster has only some of them.
	checkKeys = 8
)

// Client is a client of Redis. New makes one.
type Client struct {
	redis.UniversalClient

	config Config
}

// New makes a client. It reads the certificates and connects to nobody: the first command does.
func New(cfg Config) (*Client, error) {
	options, err := parseURL(cfg.URL)
	if err != nil {
		return nil, &setting.Error{Key: "redis.url", Err: err}
	}
	options.Username, options.Password = cfg.Username, cfg.Password.Reveal()
	if options.TLSConfig != nil {
		// It names no server: each connection verifies that of its own address.
		if options.TLSConfig, err = cfg.Files.Load(); err != nil {
			return nil, setting.Below("redis", err)
		}
	}
	options.DialTimeout = cmp.Or(options.DialTimeout, timeout)
	options.ReadTimeout = cmp.Or(options.ReadTimeout, timeout)
	options.WriteTimeout = cmp.Or(options.WriteTimeout, timeout)
	options.MaxRetries = cmp.Or(options.MaxRetries, retries)
	options.DialerRetries = 1
	options.ContextTimeoutEnabled = true
	// The fewer commands a connection begins with, the fewer an ACL has to allow.
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// What go-redis prints is returned as errors, too, and those are logged by whoever gets them.
	redis.SetLogger(&logging.VoidLogger{})
	return &Client{UniversalClient: redis.NewUniversalClient(options), config: cfg}, nil
}

// Key is the name of something in Redis: below the prefix of the config, and below what it is a kind of.
func (c *Client) Key(kind, name string) string { return c.config.KeyPrefix + kind + ":" + name }

// Explain makes an error of a command a setting.Error, where it can be told which key of the config has to change.
func (c *Client) Explain(err error) error { return c.config.explain(err) }

// Check says whether Redis can be reached and lets the user do what sreg needs: it writes, reads, counts and
// removes a key of its own, as scripts do.
func (c *Client) Check(ctx context.Context) error {
	if err := c.Ping(ctx).Err(); err != nil {
		return c.Explain(err)
	}
	for range checkKeys {
		if err := c.checkKey(ctx, c.Key("check", rand.Text()), "sreg"); err != nil {
			return c.Explain(err)
		}
	}
	return nil
}

func (c *Client) checkKey(ctx context.Context, key, value string) (err error) {
	// Also after a failure. If this fails, too, the key expires.
	defer func() {
		if removed := c.Del(context.WithoutCancel(ctx), key).Err(); err == nil {
			err = removed
		}
	}()
	if err := c.Set(ctx, key, value, checkFor).Err(); err != nil {
		return err
	}
	got, err := c.GetRange(ctx, key, 0, -1).Result()
	switch {
	case err == nil && got != value:
		return errors.New("what was written cannot be read: redis.url must be the address of one Redis, or of Sentinels, or of one Cluster")
	case err != nil:
		return err
	}
	return checkScript.Run(ctx, c, []string{key}, value).Err()
}

// checkScript runs every command that the scripts of locks and counters run, on one key.
var checkScript = redis.NewScript(`
local now = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], now[1], ARGV[1])
redis.call('ZRANGE', KEYS[1], 0, 0)
redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', 0)
redis.call('ZCARD', KEYS[1])
redis.call('ZRANK', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('SET', KEYS[1], 1, 'PX', 10000)
redis.call('INCRBY', KEYS[1], 1)
redis.call('GET', KEYS[1])
redis.call('PTTL', KEYS[1])
return redis.call('PEXPIRE', KEYS[1], 10000)
`)
