package snapshot

import (
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/authz"
	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache"
	cachememory "github.com/sreg-project/sreg/internal/cache/memory"
	cacheredis "github.com/sreg-project/sreg/internal/cache/redis"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/httpapi"
	lockredis "github.com/sreg-project/sreg/internal/lock/redis"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/redisclient"
	"github.com/sreg-project/sreg/internal/router"
	"github.com/sreg-project/sreg/internal/storage/memory"
	"github.com/sreg-project/sreg/internal/storage/metered"
	"github.com/sreg-project/sreg/internal/webhook"
)

// SharedOptions are what a Shared is made of.
type SharedOptions struct {
	Logger *slog.Logger
	// OnTerminal says that people read the log while it is written.
	OnTerminal bool
	Metrics    *prometheus.Registry
	Version    string
	// Audit gets one record for each decision of the authorization, and for each sign-in that fails. nil keeps none.
	Audit *slog.Logger
	// First is what the policies of a config let a newcomer do; nil is nothing.
	First func(cfg *config.Config) httpapi.First
	// Holder is told to whoever wants to collect while a scheduled run does.
	Holder string
	// Memory is the store, whatever the config says; nil: what that says.
	Memory *memory.Store
	// Compiler has compiled the rules of the config when it was loaded; nil is a new one.
	Compiler *policy.Compiler
}

// Shared is what outlives a snapshot: what every snapshot of a process uses, one after the other and two at
// once. NewShared makes it, and Close ends it after the last of them.
type Shared struct {
	SharedOptions

	metrics  metrics
	signIns  *authn.State
	draining atomic.Bool // the server is shutting down

	stores       pool[storeKey, *openStore]
	states       pool[storesKey, *storesState]
	redis        pool[redisKey, *redisclient.Client]
	redisLocks   pool[redisLocksKey, *lockredis.Locker]
	redisCaches  pool[redisCacheKey, *cacheredis.Cache]
	sealedCaches pool[sealedKey, *cache.Sealed]
	ownCaches    pool[bytesize.Size, *cachememory.Cache]
}

// metrics are all that are made here.
type metrics struct {
	stores        *metered.Metrics
	collector     *gc.Metrics
	authorization *authz.Metrics
	webhooks      *webhook.Metrics
	requests      *router.Metrics
}

// NewShared registers all metrics, which is possible once for each opts.Metrics.
func NewShared(opts SharedOptions) *Shared {
	if opts.Compiler == nil {
		opts.Compiler = policy.NewCompiler()
	}
	return &Shared{
		SharedOptions: opts,
		metrics: metrics{
			stores:        metered.New(opts.Metrics),
			collector:     gc.NewMetrics(opts.Metrics, opts.Logger.With("module", "gc")),
			authorization: authz.NewMetrics(opts.Metrics),
			webhooks:      webhook.NewMetrics(opts.Metrics),
			requests:      router.NewMetrics(opts.Metrics),
		},
		signIns: authn.NewState(opts.Metrics),
	}
}

// Close waits for what still runs. All snapshots must have been closed.
func (s *Shared) Close() { s.signIns.Close() }
