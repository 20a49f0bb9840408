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

// onlineTimeout ends each check.
const onlineTimeout = 20 * time.Second

// Checked is the result of one check of CheckOnline.
type Checked struct {
	Key   string        // of the config: storage.blobs
	Where string        // its address
	Did   string        // what was done there
	Notes []string      // what works and should be known
	Took  time.Duration // how long it took
	Err   error
}

// check is one service or folder that a config names, and how to check it.
type check struct {
	key, where, did string
	try             func(context.Context) ([]string, error)
}

// CheckOnline checks every service and folder that a config names, all at the same time: whether it answers, and
// permits what a server does there. What a check writes it removes. Certificates are among it, because the time decides
// about them.
func CheckOnline(ctx context.Context, cfg *config.Config, certificates []config.CertificateFile) []Checked {
	checks := checksOf(cfg)
	for _, file := range certificates {
		checks = append(checks, checkCertificates(file))
	}
	checked := make([]Checked, len(checks))
	var work sync.WaitGroup
	for i, c := range checks {
		work.Go(func() { checked[i] = c.run(ctx) }) // ends with its time-out
	}
	work.Wait()
	return checked
}

func (c check) run(ctx context.Context) Checked {
	ctx, cancel := context.WithTimeout(ctx, onlineTimeout)
	defer cancel()
	begun := time.Now()
	notes, err := c.try(ctx)
	return Checked{Key: c.key, Where: c.where, Did: c.did, Notes: notes, Took: time.Since(begun), Err: err}
}

func checksOf(cfg *config.Config) []check {
	checks := []check{checkStore("storage.blobs", cfg.Storage.Blobs)}
	if cfg.Storage.Metadata != nil {
		checks = append(checks, checkStore("storage.metadata", *cfg.Storage.Metadata))
	}
	if cfg.Locks.Type == "redis" || cfg.Cache.Type == "redis" {
		checks = append(checks, checkRedis(cfg.Redis))
	}
	for i, provider := range cfg.Auth.OIDC {
		checks = append(checks, checkProvider(fmt.Sprintf("auth.oidc[%d]", i), provider))
	}
	for i, hook := range cfg.Webhooks {
		checks = append(checks, checkWebhook(fmt.Sprintf("webhooks[%d]", i), hook))
	}
	return checks
}

func checkStore(key string, cfg config.Store) check {
	if cfg.Type != "s3" {
		return check{key, cfg.FS.Root, "write and remove a file", func(context.Context) ([]string, error) {
			return tryFolder(key+".fs.root", cfg.FS.Root)
		}}
	}
	return check{key, "s3://" + cfg.S3.Bucket, "list, put, get, delete, multipart, presign", func(ctx context.Context) ([]string, error) {
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

// tryFolder writes into a folder, or finds out whether it can be made. It makes none.
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

func checkCertificates(file config.CertificateFile) check {
	return check{file.Key, file.File, "valid until " + file.Until.UTC().Format(time.DateOnly), func(context.Context) ([]string, error) {
		switch {
		case file.Invalid:
			return nil, errors.New(file.Problem)
		case file.Problem != "":
			return []string{file.Problem}, nil
		}
		return nil, nil
	}}
}

func checkRedis(cfg redisclient.Config) check {
	return check{"redis", hostOf(cfg.URL), "write, read, count and remove a key", func(ctx context.Context) ([]string, error) {
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

func checkProvider(key string, cfg authn.ProviderConfig) check {
	return check{key, cfg.Complete().Issuer, "discovery and keys", func(ctx context.Context) ([]string, error) {
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

func checkWebhook(key string, cfg webhook.Config) check {
	return check{key, hostOf(cfg.URL), "connect, ask nothing", func(ctx context.Context) ([]string, error) {
		if err := cfg.Reach(ctx); err != nil {
			return nil, setting.Below(key, err)
		}
		return nil, nil
	}}
}
