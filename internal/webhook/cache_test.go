package webhook

import (
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
