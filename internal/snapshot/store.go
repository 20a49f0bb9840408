package snapshot

import (
	"context"
	"crypto/sha256"
	"os"
	"sync"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/config"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/metered"
	"github.com/sreg-project/sreg/internal/storage/s3"
)

// configuredStore is a store as a config names it.
type configuredStore interface {
	storage.Store
	// Create makes what the store needs to be written to, if it is not there.
	Create(ctx context.Context) error
	// Root is where it lies, as people write it: a folder, or s3://bucket/prefix.
	Root() string
}

// openStore is a store that snapshots share.
type openStore struct {
	configuredStore
	counted  storage.Store // the same, which counts its operations
	breaker  *metered.Breaker
	location location
}

// Close closes the store.
func (s *openStore) Close() error {
	s.breaker.Set(false)
	return s.configuredStore.Close()
}

// location tells which store it is, whatever the settings are by which it is reached.
type location struct{ endpoint, root string }

// storeKey is all that an openStore is made of.
type storeKey struct {
	section  string // of the config
	name     string // in metrics
	settings config.Store
	minFree  bytesize.Size
	files    [sha256.Size]byte
}

// borrowStore returns the store of a section of the config.
func (c *Core) borrowStore(ctx context.Context, section, name string, settings config.Store) (*openStore, error) {
	key := storeKey{section: section, name: name, settings: settings, minFree: c.config.Storage.MinFree}
	if settings.Type == "s3" {
		key.files = contents(settings.S3.CAFile)
	}
	return c.shared.stores.borrow(&c.opened, key, func() (*openStore, error) { return c.shared.openStore(ctx, key) })
}

func (s *Shared) openStore(ctx context.Context, key storeKey) (*openStore, error) {
	breaker := s.metrics.stores.Breaker(key.name)
	store, err := s.newStore(ctx, key, breaker.Set)
	if err != nil {
		return nil, err
	}
	return &openStore{
		configuredStore: store, counted: s.metrics.stores.Wrap(store, key.name), breaker: breaker,
		location: location{endpoint: key.settings.S3.Endpoint, root: store.Root()},
	}, nil
}

func (s *Shared) newStore(ctx context.Context, key storeKey, breaker func(open bool)) (configuredStore, error) {
	if s.Memory != nil {
		return s.Memory, nil
	}
	if key.settings.Type == "s3" {
		return s3.New(ctx, key.settings.S3, s3.Options{Section: key.section + ".s3", Logger: s.Logger.With("module", "registry"), Breaker: breaker})
	}
	return fs.New(key.settings.FS, fs.Options{MinFree: key.minFree, Folders: registry.Folders(), Private: registry.PrivateFolders()})
}

// contents tells apart versions of the files that a section of the config names. One that cannot be read is an
// error for whoever uses it.
func contents(files ...string) (sum [sha256.Size]byte) {
	all := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		one := sha256.Sum256(content)
		if err == nil {
			all.Write(one[:])
		}
		all.Write([]byte{0})
	}
	all.Sum(sum[:0])
	return sum
}

// storesState is what this process knows of a pair of stores, by whatever settings it reaches them.
type storesState struct {
	registry *registry.State
	locks    *lockmemory.Locker
	tokenKey madeKey
}

// storesKey names a pair of stores.
type storesKey struct{ blobs, metadata location }

func (c *Core) borrowState(blobs, metadata *openStore) (*storesState, error) {
	return c.shared.states.borrow(&c.opened, storesKey{blobs.location, metadata.location}, func() (*storesState, error) {
		return &storesState{registry: registry.NewState(), locks: lockmemory.New()}, nil
	})
}

// madeKey is the key of tokens that this process has made for a registry that is read-only.
type madeKey struct {
	mu  sync.Mutex // guards key
	key []byte
}

// get returns the key, nil if none was made.
func (m *madeKey) get() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.key
}

// forget is for a key that the store has.
func (m *madeKey) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.key = nil
}

// keep returns the first key that it was given, and whether that is this one.
func (m *madeKey) keep(key []byte) (kept []byte, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if first = m.key == nil; first {
		m.key = key
	}
	return m.key, first
}
