package authn

import (
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/cache/memory"
	"github.com/sreg-project/sreg/internal/lru"
)

const (
	// maxPasswords bounds the passwords that are remembered.
	maxPasswords = 16 << 10
	// tokenMemory bounds the tokens that are remembered, by what their claims cost in memory.
	tokenMemory = 32 << 20
)

// State is what outlives an Authenticator: what was verified, who failed, the keys of providers, counters. What
// is remembered holds only as long as the user, the provider and the key it came from stay the same.
type State struct {
	metrics      *metrics
	passwords    *lru.Cache[[32]byte, time.Time] // until when, by keyed hash
	tokens       *lru.Cache[[32]byte, *verified] // by hash
	certificates *lru.Cache[*x509.Certificate, access.Certificate]
	failures     *memory.Counter // wrong passwords
	secret       [32]byte        // the key of the hashes of passwords
	verifying    verifications

	mu   sync.Mutex // guards keys
	keys map[keySource]*keySet
}

// Shared is what instances of the same registry know together; a nil part each knows alone. Passwords that
// were right are not part of it: what another instance says must not let anybody in, and verifying one
// once more is cheap enough.
type Shared struct {
	// Failures are wrong passwords.
	Failures cache.Counter
	// Keys are copies of the key sets of providers. Whoever can write there can sign in as anybody, so it believes the
	// values of these instances alone.
	Keys cache.Cache
}

// NewState makes an empty one and registers its counters.
func NewState(registerer prometheus.Registerer) *State {
	s := &State{
		metrics:      newMetrics(registerer),
		passwords:    lru.New[[32]byte, time.Time](maxPasswords),
		tokens:       lru.New[[32]byte, *verified](tokenMemory),
		certificates: lru.New[*x509.Certificate, access.Certificate](maxCertificates),
		failures:     memory.NewCounter(maxThrottled),
		verifying:    verifications{running: map[[32]byte]*verification{}},
		keys:         map[keySource]*keySet{},
	}
	_, _ = rand.Read(s.secret[:]) // never fails
	return s
}

// Close waits for the verifications that run; each ends when nobody waits for it.
func (s *State) Close() { s.verifying.work.Wait() }

// acquire returns the keys of a source, which all who use it share; release gives them back.
func (s *State) acquire(source keySource, roots *x509.CertPool, log *slog.Logger) *keySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := s.keys[source]
	if set == nil {
		set = newKeySet(source, roots, log)
		s.keys[source] = set
	}
	set.users++
	return set
}

func (s *State) release(set *keySet) {
	s.mu.Lock()
	set.users--
	last := set.users == 0
	if last {
		delete(s.keys, set.source)
	}
	s.mu.Unlock()
	if last {
		set.close()
	}
}
