package server

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sreg-project/sreg/internal/ratelimit"
)

// refusal is an answer that limits give.
type refusal struct {
	status int
	code   string        // of the distribution spec, or what clients know beyond it
	wait   time.Duration // before the client tries again; 0 = for as long as a request may be in the queue
}

var (
	unavailable = refusal{status: http.StatusServiceUnavailable, code: "UNAVAILABLE"}
	tooMany     = refusal{status: http.StatusTooManyRequests, code: "TOOMANYREQUESTS"}
)

func tooOften(wait time.Duration) refusal {
	how := tooMany
	how.wait = wait
	return how
}

// limiter bounds how many requests are worked on at once. What comes on top waits in a queue of
// bounded length for a bounded time, and is served in the order of its coming.
type limiter struct {
	limits   Limits
	metrics  *Metrics
	clients  *clients
	requests limit                         // by client
	rates    *ratelimit.Limits[netip.Addr] // of clients

	// slots has one element for each request that is worked on. Who cannot send waits, and those who
	// wait are served in order. It is nil without a limit.
	slots   chan struct{}
	waiting atomic.Int64
}

func newLimiter(limits Limits, m *Metrics, clients *clients) *limiter {
	l := &limiter{limits: limits, metrics: m, clients: clients, rates: ratelimit.New[netip.Addr](limits.RatePerClient)}
	// The other half is for those who have less.
	l.requests.set(limits.RequestsPerClient, limits.MaxConcurrentRequests/2)
	if n := limits.MaxConcurrentRequests; n > 0 {
		l.slots = make(chan struct{}, n)
	}
	return l
}

// next is the limiter of other limits. Requests that are under way count for it, too, unless
// MaxConcurrentRequests is another one.
func (l *limiter) next(limits Limits) *limiter {
	if limits == l.limits {
		return l
	}
	next := newLimiter(limits, l.metrics, l.clients)
	if limits.MaxConcurrentRequests == l.limits.MaxConcurrentRequests {
		next.slots = l.slots
	}
	if limits.RatePerClient == l.limits.RatePerClient {
		next.rates = l.rates
	}
	return next
}

// handler limits the requests that next gets. Requests under way are those of its generation.
func (l *limiter) handler(next http.Handler, underWay *inFlight, proxies Proxies) http.Handler {
	h := next
	if l.slots != nil {
		h = l.limitAll(h)
	}
	if l.limits.RequestsPerClient > 0 || l.rates != nil {
		h = l.limitClients(h, underWay, proxies)
	}
	return h
}

// limitClients comes first, so that one client cannot fill the queue.
func (l *limiter) limitClients(next http.Handler, underWay *inFlight, proxies Proxies) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := l.begin(w, r, proxies)
		if client == nil { // nobody knows who it is
			next.ServeHTTP(w, r)
			return
		}
		defer l.clients.end(client)
		if l.requests.exceeded(client.requests.Load()-1, underWay.count.Load()) {
			l.metrics.client.Inc()
			l.refuse(w, tooMany, "this client has too many requests under way: send fewer at once")
			return
		}
		if wait := l.rates.Take(client.addr); wait > 0 {
			l.metrics.clientRate.Inc()
			l.refuse(w, tooOften(wait), "this client sends too many requests: send them less often")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// begin counts a request of its client, which is nil if it has no address. A client that a trusted proxy does not name
// counts as the proxy.
func (l *limiter) begin(w http.ResponseWriter, r *http.Request, proxies Proxies) *client {
	var peer netip.Addr
	var own *client
	if guarded, ok := w.(*response); ok && guarded.conn != nil {
		peer, own = guarded.conn.peer, guarded.conn.client
	} else {
		peer = peerOf(r.RemoteAddr)
	}
	if proxies != nil && proxies.Trusts(peer) {
		if named, err := proxies.ClientIP(r); err == nil && named.IsValid() {
			return l.clients.begin(named)
		}
	}
	switch {
	case own != nil:
		return l.clients.beginOn(own)
	case peer.IsValid():
		return l.clients.begin(peer)
	}
	return nil
}

func (l *limiter) limitAll(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case l.slots <- struct{}{}:
		default:
			if !l.queue(w, r) {
				return
			}
		}
		place := slotOf(w)
		place.begin(l.slots)
		defer place.end()
		next.ServeHTTP(w, r)
	})
}

// queue waits for a slot. If it gets none it answers and returns false.
func (l *limiter) queue(w http.ResponseWriter, r *http.Request) bool {
	if l.waiting.Add(1) > int64(l.limits.Queue) {
		l.waiting.Add(-1)
		l.metrics.queueFull.Inc()
		l.refuse(w, unavailable, "the registry is busy: try again later")
		return false
	}
	defer l.waiting.Add(-1)
	timer := time.NewTimer(l.limits.QueueWait)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
		return true
	case <-timer.C:
		l.metrics.queueWait.Inc()
		l.refuse(w, unavailable, "the registry is busy: try again later")
		return false
	case <-r.Context().Done():
		return false // nobody reads an answer
	}
}

// refuse answers with an error body of the distribution spec.
func (l *limiter) refuse(w http.ResponseWriter, how refusal, message string) {
	type problem struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string][]problem{"errors": {{how.code, message}}})
	if err != nil {
		panic(err) // two strings always have a JSON form
	}
	retry := max(1, int(math.Ceil(cmp.Or(how.wait, l.limits.QueueWait).Seconds())))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Retry-After", strconv.Itoa(retry))
	w.WriteHeader(how.status)
	_, _ = w.Write(body) // a client that left needs no answer
}
