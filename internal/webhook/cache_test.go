package webhook

import (
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache/memory"
)

func TestWhichAnswersStandForAWhile(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{
		200: true, 204: true, 401: true, 403: true,
		302: false, 400: false, 404: false, 407: false, 429: false, 500: false, 503: false,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				c := overPipe(t, serves(func(*http.Request) int { asked.Add(1); return status }), func(c *Config) { c.CacheTTL = time.Minute })
				first, second := ask(t, c, "{}"), ask(t, c, "{}")
				if (asked.Load() == 1) != want || second.Cached != want {
					t.Errorf("asked %d times, the second answer from memory: %v; want %v", asked.Load(), second.Cached, want)
				}
				if first.Result != second.Result || first.Status != second.Status {
					t.Errorf("got %+v and then %+v, want the same", first, second)
				}
				before := asked.Load()
				time.Sleep(time.Minute) // of the bubble
				if ask(t, c, "{}"); asked.Load() != before+1 {
					t.Errorf("asked %d times after cache_ttl, want once more", asked.Load()-before)
				}
			})
		})
	}
}

func TestABrokenEndpointIsAskedAnew(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	c := overPipe(t, func(conn net.Conn) {
		if asked.Add(1) > 1 {
			serves(func(*http.Request) int { return 200 })(conn)
		}
	}, func(c *Config) { c.CacheTTL = time.Minute })
	if got := ask(t, c, "{}"); got.Result != Unreachable {
		t.Fatalf("got %s, want unreachable", got.Result)
	}
	if got := ask(t, c, "{}"); !got.Allowed() || got.Cached {
		t.Errorf("got %s, want the endpoint's own yes", got.Result)
	}
}

func TestZeroCacheTTLAsksEachTime(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	c := overPipe(t, serves(func(*http.Request) int { asked.Add(1); return 200 }), nil)
	ask(t, c, "{}")
	ask(t, c, "{}")
	if asked.Load() != 2 {
		t.Errorf("asked %d times, want 2", asked.Load())
	}
}

// TestEveryInputOfAQuestionChangesTheKey walks the fields by reflection, so that a field that somebody
// adds and forgets in the key fails here.
func TestEveryInputOfAQuestionChangesTheKey(t *testing.T) {
	t.Parallel()
	c := newClient(t, "http://endpoint.test/", func(c *Config) { c.ForwardHeaders = []string{"X-Team", "X-Other"} })
	base := func() Question {
		return Question{
			Document: []byte("{}"),
			Facts:    []Fact{{Name: "X-A", Values: []string{"a", "b"}}},
			Incoming: http.Header{"X-Team": {"a"}},
		}
	}
	changed := map[string][]func(*Question){
		"Document": {
			func(q *Question) { q.Document = nil },
			func(q *Question) { q.Document = []byte("{ }") },
		},
		"Facts": {
			func(q *Question) { q.Facts = nil },
			func(q *Question) { q.Facts = append(q.Facts, Fact{Name: "X-B"}) },
			func(q *Question) { q.Facts[0].Name = "X-B" },
			func(q *Question) { q.Facts[0].Values = []string{"a,b"} },
			func(q *Question) { q.Facts[0].Values = []string{"ab", ""} },
			func(q *Question) { q.Facts[0].Values = []string{"a", "b", ""} },
		},
		"Incoming": {
			func(q *Question) { q.Incoming = nil },
			func(q *Question) { q.Incoming["X-Team"] = []string{"b"} },
			func(q *Question) { q.Incoming["X-Team"] = []string{"a", ""} },
			func(q *Question) { q.Incoming["X-Other"] = []string{"a"} },
			func(q *Question) { q.Incoming = http.Header{"X-Other": {"a"}} },
		},
	}
	seen := map[string]string{c.key(base()): "the base"}
	for i := range reflect.TypeFor[Question]().NumField() {
		name := reflect.TypeFor[Question]().Field(i).Name
		if len(changed[name]) == 0 {
			t.Errorf("field %s is new: put it into the key, and a change of it here", name)
		}
		for j, change := range changed[name] {
			q := base()
			change(&q)
			if other, twice := seen[c.key(q)]; twice {
				t.Errorf("change %d of %s has the key of %s", j, name, other)
			}
			seen[c.key(q)] = fmt.Sprintf("change %d of %s", j, name)
		}
	}
	unnamed := base()
	unnamed.Incoming["X-Unnamed"] = []string{"a"}
	if c.key(unnamed) != c.key(base()) {
		t.Error("a header that is not sent on changes the key, want answers to be shared")
	}
}

func TestTheSameQuestionIsAskedOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		answer := make(chan struct{})
		c := overPipe(t, serves(func(*http.Request) int { asked.Add(1); <-answer; return 200 }), func(c *Config) { c.CacheTTL = time.Minute })
		var waiting sync.WaitGroup
		for i := range 50 {
			waiting.Go(func() {
				if got := ask(t, c, fmt.Sprint(i%2)); !got.Allowed() {
					t.Errorf("got %s, want allowed", got.Result)
				}
			})
		}
		synctest.Wait()
		if asked.Load() != 2 {
			t.Errorf("two questions of 50 are being asked %d times, want each once", asked.Load())
		}
		close(answer)
		waiting.Wait()
	})
}

func TestWhoAskedFirstMayGoAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		c := overPipe(t, serves(func(*http.Request) int { <-answer; return 200 }), func(c *Config) { c.CacheTTL = time.Minute })
		first, cancel := withCancel(t)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if got := c.Ask(first, Question{}); got.Result != Canceled {
				t.Errorf("who went away: got %s, want canceled", got.Result)
			}
		})
		synctest.Wait()
		waiting.Go(func() {
			if got := c.Ask(t.Context(), Question{}); !got.Allowed() {
				t.Errorf("who stayed: got %s, want allowed", got.Result)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(answer)
		waiting.Wait()
	})
}

func TestWhatIsNoAnswerIsAskedAnew(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "2", "2000", "abc", "-20", "+20", "500", "302", "404", "100", "000"} {
		answers := memory.New(bytesize.MiB)
		c := overPipe(t, serves(func(*http.Request) int { return 403 }), func(c *Config) { c.CacheTTL = time.Minute })
		c.answers = answers
		answers.Set(t.Context(), c.key(Question{Document: []byte("{}")}), []byte(value), time.Hour)
		if got := ask(t, c, "{}"); got.Cached || got.Result != Denied {
			t.Errorf("a cache that says %q: got %+v, want the endpoint's own no", value, got)
		}
	}
}

func TestEveryEndIsCountedApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		result string
		talk   func(net.Conn)
	}{
		{"allowed", serves(func(*http.Request) int { return 200 })},
		{"denied", serves(func(*http.Request) int { return 403 })},
		{"error", serves(func(*http.Request) int { return 500 })},
		{"timeout", hold("")},
		{"unreachable", func(net.Conn) {}},
	}
	for _, tt := range tests {
		t.Run(tt.result, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := overPipe(t, tt.talk, func(c *Config) { c.CacheTTL = time.Minute })
				ask(t, c, "{}")
				for result, name := range resultNames {
					want := 0.0
					if name == tt.result {
						want = 1
					}
					if got := testutil.ToFloat64(c.metrics.results[result]); got != want {
						t.Errorf("%s: got %v, want %v", name, got, want)
					}
				}
				again := ask(t, c, "{}")
				want := 0.0
				if again.Cached {
					want = 1
				}
				if got := testutil.ToFloat64(c.metrics.cached); got != want || again.Cached != (tt.result == "allowed" || tt.result == "denied") {
					t.Errorf("cached: got %v and %v, want one if the answer may stand", got, again.Cached)
				}
			})
		})
	}
}

func BenchmarkAskRemembered(b *testing.B) {
	c := overPipe(b, serves(func(*http.Request) int { return 200 }), func(c *Config) { c.CacheTTL = time.Hour })
	q := Question{
		Document: make([]byte, 600),
		Facts:    []Fact{{Name: "X-Registry-Action", Values: []string{"get-manifest"}}, {Name: "X-Registry-Username", Values: []string{"alice"}}},
	}
	c.Ask(b.Context(), q)
	b.ReportAllocs()
	for b.Loop() {
		if !c.Ask(b.Context(), q).Cached {
			b.Fatal("asked anew")
		}
	}
}
