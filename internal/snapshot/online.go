package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/redisclient"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/webhook"
)

// onlinePatience bounds each look at something outside.
const onlinePatience = 20 * time.Second

// Seen is what a look at one thing outside the process showed.
type Seen struct {
	Key   string        // of the config: storage.blobs
	Where string        // its address
	Did   string        // what was done there
	Notes []string      // what works and should be known
	Took  time.Duration // how long it took
	Err   error
}

// look is one thing outside and how to look at it.
type look struct {
	key, where, did string
	try             func(context.Context) ([]string, error)
}

// LookOutside looks at everything that a config names outside the process, all at the same time: whether it
// answers, and permits what a server does there. What it writes it removes.
func LookOutside(ctx context.Context, cfg *config.Config) []Seen {
	looks := looksOf(cfg)
	seen := make([]Seen, len(looks))
	var work sync.WaitGroup
	for i, l := range looks {
		work.Go(func() { seen[i] = l.take(ctx) }) // ends with its time-out
	}
	work.Wait()
	return seen
}

func (l look) take(ctx context.Context) Seen {
	ctx, cancel := context.WithTimeout(ctx, onlinePatience)
	defer cancel()
	begun := time.Now()
	notes, err := l.try(ctx)
	return Seen{Key: l.key, Where: l.where, Did: l.did, Notes: notes, Took: time.Since(begun), Err: err}
}

func looksOf(cfg *config.Config) []look {
	looks := []look{lookAtStore("storage.blobs", cfg.Storage.Blobs)}
	if cfg.Storage.Metadata != nil {
		looks = append(looks, lookAtStore("storage.metadata", *cfg.Storage.Metadata))
	}
	if cfg.Locks.Type == "redis" || cfg.Cache.Type == "redis" {
		looks = append(looks, lookAtRedis(cfg.Redis))
	}
	for i, provider := range cfg.Auth.OIDC {
		looks = append(looks, lookAtProvider(fmt.Sprintf("auth.oidc[%d]", i), provider))
	}
	for i, hook := range cfg.Webhooks {
		looks = append(looks, lookAtWebhook(fmt.Sprintf("webhooks[%d]", i), hook))
	}
	return looks
}

func lookAtStore(key string, cfg config.Store) look {
	if cfg.Type != "s3" {
		return look{key, cfg.FS.Root, "write and remove a file", func(context.Context) ([]string, error) {
			return tryFolder(key+".fs.root", cfg.FS.Root)
		}}
	}
	return look{key, "s3://" + cfg.S3.Bucket, "list, put, get, delete, multipart, presign", func(ctx context.Context) ([]string, error) {
		settings := cfg.S3
		settings.MaxAttempts, settings.Breaker.Failures = min(settings.MaxAttempts, 2), 0
		store, err := s3.New(ctx, settings, s3.Options{Section: key + ".s3"})
		if err != nil {
			return nil, err
		}
		notes, err := store.Check(ctx)
		if closed := store.Close(); err == nil {
			err = closed
		}
		var wrong *setting.Error
		if errors.As(err, &wrong) {
			err = wrong // it says all that a person needs
		}
		return notes, err
	}}
}

// tryFolder writes into the folder, or sees that it can be made. It makes none.
func tryFolder(key, root string) (notes []string, err error) {
	there := root
	for {
		info, err := os.Stat(there)
		if err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s: %s is no folder", key, there)
		}
		if err == nil {
			break
		}
		above := filepath.Dir(there)
		if !errors.Is(err, os.ErrNotExist) || above == there {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		there = above
	}
	if there != root {
		if err := unix.Access(there, unix.W_OK); err != nil {
			return nil, fmt.Errorf("%s: it does not exist, and nothing can be made in %s: %w", key, there, err)
		}
		return []string{"it does not exist yet: serve makes it"}, nil
	}
	f, err := os.CreateTemp(root, ".probe-")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return nil, errors.Join(f.Close(), os.Remove(f.Name()))
}

func lookAtRedis(cfg redisclient.Config) look {
	return look{"redis", hostOf(cfg.URL), "write, read, count and remove a key", func(ctx context.Context) ([]string, error) {
		client, err := redisclient.New(cfg)
		if err != nil {
			return nil, err
		}
		return nil, errors.Join(client.Check(ctx), client.Close())
	}}
}

// hostOf is a URL without what may be secret in it: a query, or a user that Validate refuses.
func hostOf(address string) string {
	address, _, _ = strings.Cut(address, "?")
	return address
}

func lookAtProvider(key string, cfg authn.ProviderConfig) look {
	return look{key, cfg.Complete().Issuer, "discovery and keys", func(ctx context.Context) ([]string, error) {
		keys, err := authn.CheckProvider(ctx, cfg)
		if err != nil {
			return nil, setting.Below(key, err)
		}
		if keys == 0 {
			return []string{"it has no key that tokens may be signed with"}, nil
		}
		return nil, nil
	}}
}

func lookAtWebhook(key string, cfg webhook.Config) look {
	return look{key, hostOf(cfg.URL), "connect, ask nothing", func(ctx context.Context) ([]string, error) {
		if err := cfg.Reach(ctx); err != nil {
			return nil, setting.Below(key, err)
		}
		return nil, nil
	}}
}
