package snapshot

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/server"
)

// expireEvery is how often uploads are looked for whose time is over.
const expireEvery = 10 * time.Minute

// ErrDraining says that a server which is about to end takes no other config.
var ErrDraining = errors.New("the server is shutting down")

// Swapper answers requests by handlers that can be replaced, as a server.Server does: ended is closed when the last
// request has ended that began with those before.
type Swapper interface {
	Swap(live server.Live) (ended <-chan struct{}, err error)
}

// Live is the snapshot that serves. Another one can replace it; then it is closed when its last request and its run of
// the collector have ended.
type Live struct {
	shared *Shared
	claims *Claims // nil: the stores are not claimed
	server Swapper // set by Serve

	undrained context.Context // ends with Drain
	drain     context.CancelFunc
	life      context.Context // of the work in the background; ends with Close
	end       context.CancelFunc
	work      sync.WaitGroup // the work in the background for the current snapshot, and what closes former ones
	changed   chan struct{}  // has room for one; another snapshot has become current

	replacing sync.Mutex // held while a snapshot replaces another one

	mu      sync.Mutex // guards current
	current *inUse
}

// inUse is a snapshot that serves, or has served and still has something to do beside requests.
type inUse struct {
	*Snapshot
	users sync.WaitGroup // of the snapshot, beside requests
	end   func()         // ends what works for this snapshot alone
}

// Open gets a snapshot ready to serve: it builds it, makes its stores if they are not there, claims them unless
// claims is nil, and makes and fetches the keys of sign-ins.
func Open(ctx context.Context, cfg *config.Config, shared *Shared, claims *Claims) (*Live, error) {
	l := &Live{shared: shared, claims: claims, changed: make(chan struct{}, 1)}
	l.undrained, l.drain = context.WithCancel(context.WithoutCancel(ctx))
	l.life, l.end = context.WithCancel(context.WithoutCancel(ctx))
	first, err := l.ready(ctx, cfg)
	if err != nil {
		l.drain()
		l.end()
		return nil, err
	}
	l.current = &inUse{Snapshot: first, end: func() {}}
	return l, nil
}

// ready builds a snapshot and gets it ready. After an error all is as before.
func (l *Live) ready(ctx context.Context, cfg *config.Config) (*Snapshot, error) {
	s, err := Build(ctx, cfg, l.shared)
	if err != nil {
		return nil, err
	}
	err = s.Create(ctx)
	if err == nil && l.claims != nil {
		err = l.claims.Take(ctx, s.Core)
	}
	if err == nil {
		err = s.Prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.discard(ctx, s))
	}
	return s, nil
}

// discard closes a snapshot that will not serve, and claims the stores of the current one again.
func (l *Live) discard(ctx context.Context, s *Snapshot) error {
	var err error
	switch {
	case l.claims == nil:
	case l.current == nil:
		l.claims.Release()
	default:
		err = l.claims.Take(context.WithoutCancel(ctx), l.current.Core)
	}
	return errors.Join(err, s.Close())
}

// Snapshot is the one that serves.
func (l *Live) Snapshot() *Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current.Snapshot
}

// borrow returns the snapshot that serves, which stays open until release is called.
func (l *Live) borrow() (s *Snapshot, release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.users.Add(1)
	return l.current.Snapshot, l.current.users.Done
}

// Serve lets a server answer by the snapshot, and begins what works beside requests: pulls are recorded, expired
// uploads are ended, and the collector runs at the times of the config. It is called once.
func (l *Live) Serve(by Swapper) error {
	l.server = by
	if _, err := by.Swap(l.current.live()); err != nil {
		return err
	}
	l.begin(l.current)
	current := func() (*gc.Collector, func()) {
		s, release := l.borrow()
		return s.Collector, release
	}
	scheduler := gc.Scheduler{Current: current, Changed: l.changed, Holder: l.shared.Holder, Logger: l.shared.Logger.With("module", "gc")}
	l.work.Go(func() { scheduler.Run(l.life) }) // ends with life
	l.work.Go(l.expireUploads)                  // ends with life
	return nil
}

// live is what a server serves.
func (s *inUse) live() server.Live {
	live := server.Live{Config: s.config.Server, Handler: func(l server.Listener) http.Handler { return s.Handlers[l.Name] }}
	if proxies := s.authenticator.Proxies; len(proxies.Trusted) > 0 || proxies.Sockets {
		live.Proxies = proxies
	}
	return live
}

// begin begins what works for one snapshot alone.
func (l *Live) begin(s *inUse) {
	l.shared.metrics.collector.Show(s.Collector)
	ctx, cancel := context.WithCancel(l.life)
	s.end = cancel
	s.users.Go(func() { s.trackPulls(ctx) }) // ends with ctx
}

// Replace builds a snapshot of another config and lets it serve. Requests that are under way, and a run of the
// collector, end on the snapshot that they began with. After an error all is as before.
//
// Addresses of listeners stay as they are. Which keys of a config may change while it serves is for the caller to
// say: config.Diff knows.
func (l *Live) Replace(ctx context.Context, cfg *config.Config) error {
	l.replacing.Lock()
	defer l.replacing.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.undrained, cancel)()
	if l.undrained.Err() != nil {
		return ErrDraining
	}
	s, err := l.ready(ctx, cfg)
	if err != nil {
		return err
	}
	next := &inUse{Snapshot: s}
	ended, err := l.server.Swap(next.live())
	if err != nil {
		return errors.Join(err, l.discard(ctx, s))
	}
	l.begin(next)
	l.mu.Lock()
	before := l.current
	l.current = next
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default: // it is known that there is another one
	}
	before.end()
	l.work.Go(func() { l.closeAfter(before, ended) }) // ends with the snapshot's last request and run, or with life
	return nil
}

// closeAfter closes a snapshot that does not serve any more. At the end the server has waited for requests as long
// as it does.
func (l *Live) closeAfter(s *inUse, ended <-chan struct{}) {
	select {
	case <-ended:
	case <-l.life.Done():
	}
	s.users.Wait()
	if err := s.Close(); err != nil {
		l.shared.Logger.Error("close what the config before had", "error", err)
	}
}

// Drain says to clients that the server is shutting down, and gives up its claims: the next server may start while
// this one finishes.
func (l *Live) Drain() {
	l.shared.draining.Store(true)
	l.drain()
	l.replacing.Lock() // a Replace that is under way ends now
	defer l.replacing.Unlock()
	if l.claims != nil {
		l.claims.Release()
	}
}

// Close ends what works beside requests, and closes all snapshots. The server must have ended.
func (l *Live) Close() error {
	l.Drain()
	l.end()
	l.work.Wait()
	l.current.end()
	l.current.users.Wait()
	return l.current.Close()
}

func (l *Live) expireUploads() {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.life.Done():
			return
		case <-tick.C:
		}
		s, release := l.borrow()
		s.expireUploads(l.life)
		release()
	}
}
