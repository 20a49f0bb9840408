package server

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// refusal is an answer that limits give.
type refusal struct {
	status int
	code   string // of the distribution spec, or what clients know beyond it
}

var (
	unavailable = refusal{http.StatusServiceUnavailable, "UNAVAILABLE"}
	tooMany     = refusal{http.StatusTooManyRequests, "TOOMANYREQUESTS"}
)

// limiter bounds how many requests are worked on at once. What comes on top waits in a queue of
// bounded length for a bounded time, and is served in the order of its coming.
type limiter struct {
	limits  Limits
	metrics *Metrics
	clients *perClient // requests by client

	// slots has one element for each request that is worked on. Who cannot send waits, and those who
	// wait are served in order. It is nil without a limit.
	slots   chan struct{}
	waiting atomic.Int64
}

func newLimiter(limits Limits, m *Metrics, clients *perClient) *limiter {
	l := &limiter{limits: limits, metrics: m, clients: clients}
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
	return next
}

// handler limits the requests that next gets.
func (l *limiter) handler(next http.Handler) http.Handler {
	h := next
	if l.slots != nil {
		h = l.limitAll(h)
	}
	if l.limits.RequestsPerClient > 0 {
		h = l.limitClients(h)
	}
	return h
}

// limitClients comes first, so that one client cannot fill the queue.
func (l *limiter) limitClients(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := clientOf(r.RemoteAddr)
		if !l.clients.enter(client) {
			l.metrics.client.Inc()
			l.refuse(w, tooMany, "this client has too many requests under way: send fewer at once")
			return
		}
		defer l.clients.leave(client)
		next.ServeHTTP(w, r)
	})
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
		defer func() { <-l.slots }()
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
	retry := max(1, int(math.Ceil(l.limits.QueueWait.Seconds())))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Retry-After", strconv.Itoa(retry))
	w.WriteHeader(how.status)
	_, _ = w.Write(body) // a client that left needs no answer
}
