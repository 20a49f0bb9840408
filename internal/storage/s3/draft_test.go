package s3_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

func prepare(t testing.TB, s *s3.Store, key, data string) storage.Pending {
	t.Helper()
	p, err := s.Prepare(t.Context(), key, []byte(data))
	must(t, err)
	return p
}

func drafts(t testing.TB, s *s3.Store) string {
	t.Helper()
	var all []string
	for d, err := range s.Drafts(t.Context(), "") {
		must(t, err)
		all = append(all, d.Key+"="+string(d.Data))
	}
	return strings.Join(all, " ")
}

// TestWhatIsPendingIsNoObject: nothing but Drafts and Sweep finds a pending record under its key.
func TestWhatIsPendingIsNoObject(t *testing.T) {
	t.Parallel()
	s := create(t, s3test.Config(t))
	for name, before := range map[string]func(key string){
		"new":  func(string) {},
		"went": func(key string) { put(t, s, key, "x"); must(t, s.Delete(t.Context(), key, storage.DeleteOptions{})) },
	} {
		key := "p/" + name
		before(key)
		p := prepare(t, s, key, "data")
		_, _, openErr := s.Open(t.Context(), key)
		for method, err := range map[string]error{
			"open": openErr, "get": second(s.Get(t.Context(), key)), "stat": second(s.Stat(t.Context(), key)),
			"condemn": s.Condemn(t.Context(), key), "revive": second(s.Revive(t.Context(), key)),
			"destroy": s.Destroy(t.Context(), key, storage.DeleteOptions{}),
		} {
			if !errors.Is(err, storage.ErrNotExist) {
				t.Errorf("%s of what is pending over %s: %v, want %v", method, name, err, storage.ErrNotExist)
			}
		}
		must(t, s.Delete(t.Context(), key, storage.DeleteOptions{}))
		for entry := range s.List(t.Context(), "", storage.ListOptions{}) {
			t.Errorf("what is pending over %s is listed as %q", name, entry.Name)
		}
		if got := drafts(t, s); got != key+"=data" {
			t.Errorf("drafts are %q, want that of %s", got, key)
		}
		must(t, p.Publish(t.Context()))
		wantObject(t, s, key, []byte("data"))
		must(t, s.Delete(t.Context(), key, storage.DeleteOptions{}))
	}
}

// TestPutOverWhatIsPending takes the key, and the draft is never published.
func TestPutOverWhatIsPending(t *testing.T) {
	t.Parallel()
	s := create(t, s3test.Config(t))
	for name, opts := range map[string]storage.PutOptions{"if absent": {IfAbsent: true}, "in any case": {}} {
		p := prepare(t, s, name, "draft")
		must(t, second(s.Put(t.Context(), name, []byte("put"), opts)))
		if err := p.Publish(t.Context()); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("publish after a put %s: %v, want %v", name, err, storage.ErrNotExist)
		}
		wantObject(t, s, name, []byte("put"))
		p = prepare(t, s, name+" discarded", "draft")
		must(t, second(s.Put(t.Context(), name+" discarded", []byte("put"), opts)))
		must(t, p.Discard(t.Context()))
		wantObject(t, s, name+" discarded", []byte("put"))
	}
}

// TestADraftThatGaveWay was pending under its key until another one was published there.
func TestADraftThatGaveWay(t *testing.T) {
	t.Parallel()
	s := create(t, s3test.Config(t))
	for name, tt := range map[string]struct {
		then    func(key string)
		want    error
		content string
	}{
		"is published":               {func(string) {}, nil, "first"},
		"behind yet another one":     {func(key string) { must(t, prepare(t, s, key, "third").Publish(t.Context())) }, nil, "first"},
		"over what is condemned":     {func(key string) { must(t, s.Condemn(t.Context(), key)) }, nil, "first"},
		"unless it is swept":         {func(string) { must(t, second(s.Sweep(t.Context(), 0))) }, storage.ErrNotExist, "second"},
		"or all word of it was lost": {func(key string) { put(t, s, key, "put") }, storage.ErrNotExist, "put"},
	} {
		first, second := prepare(t, s, name, "first"), prepare(t, s, name, "second")
		must(t, second.Publish(t.Context()))
		if got, want := drafts(t, s), name+"=first"; got != want {
			t.Errorf("%s: drafts are %q, want %q", name, got, want)
		}
		tt.then(name)
		if err := first.Publish(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: publish: %v, want %v", name, err, tt.want)
		}
		wantObject(t, s, name, []byte(tt.content))
		must(t, errors.Join(s.Delete(t.Context(), name, storage.DeleteOptions{})))
		must(t, sweep(t, s))
	}
	first, other := prepare(t, s, "k", "first"), prepare(t, s, "k", "second")
	must(t, other.Publish(t.Context()))
	must(t, first.Discard(t.Context()))
	if got := drafts(t, s); got != "" {
		t.Errorf("what was discarded is among the drafts: %q", got)
	}
	wantObject(t, s, "k", []byte("second"))
}

func sweep(t testing.TB, s *s3.Store) error {
	t.Helper()
	return second(s.Sweep(t.Context(), 0))
}

// TestACopyOfASweptDraftCountsForNothing: who publishes over a draft stalls while that is swept, and copies
// it then.
func TestACopyOfASweptDraftCountsForNothing(t *testing.T) {
	t.Parallel()
	cfg := s3test.Config(t)
	through, gate := gated(t, cfg)
	s, stalled := create(t, cfg), create(t, through)
	swept, other := prepare(t, s, "k", "swept"), prepare(t, stalled, "k", "other")
	arrived, goOn := gate.hold(http.MethodPut, "_drafts/k/")
	published := make(chan error)
	go func() { published <- other.Publish(t.Context()) }()
	<-arrived
	must(t, sweep(t, s))
	close(goOn)
	if err := <-published; !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("publish of the other, which was swept as well: %v, want %v", err, storage.ErrNotExist)
	}
	if err := swept.Publish(t.Context()); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("publish of what was swept: %v, want %v", err, storage.ErrNotExist)
	}
	if err := second(s.Get(t.Context(), "k")); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("get: %v, want %v", err, storage.ErrNotExist)
	}
}

// TestStalledPublisher: a draft that was swept is never published, however late the request comes.
func TestStalledPublisher(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	prefixed := prefixes(t, server)
	for _, stall := range []struct{ where, method, key string }{
		{"before the look at the draft", http.MethodGet, "/_drafts/k/"},
		{"before the write", http.MethodPut, "/k"},
	} {
		for before, prepare := range map[string]func(s *s3.Store){
			"nothing": func(*s3.Store) {},
			"an object that is live": func(s *s3.Store) {
				put(t, s, "k", "before")
			},
			"an object that is condemned": func(s *s3.Store) {
				put(t, s, "k", "before")
				must(t, s.Condemn(t.Context(), "k"))
			},
			"an object that went": func(s *s3.Store) {
				put(t, s, "k", "before")
				must(t, s.Delete(t.Context(), "k", storage.DeleteOptions{}))
			},
		} {
			if beside := strings.HasSuffix(before, "live") || strings.HasSuffix(before, "condemned"); !beside && stall.method == http.MethodGet {
				continue // what is pending under its own key is not looked at
			}
			t.Run(stall.where+", over "+before, func(t *testing.T) {
				t.Parallel()
				cfg := prefixed()
				through, gate := gated(t, cfg)
				sweeper, publisher := create(t, cfg), create(t, through)
				prepare(sweeper)
				was, wasErr := sweeper.Get(t.Context(), "k")
				pending, err := publisher.Prepare(t.Context(), "k", []byte("late"))
				must(t, err)
				arrived, goOn := gate.hold(stall.method, cfg.Prefix+stall.key)
				published := make(chan error)
				go func() { published <- pending.Publish(t.Context()) }()
				<-arrived
				if n, err := sweeper.Sweep(t.Context(), 0); n != 1 || err != nil {
					t.Errorf("sweep = %d, %v, want the draft", n, err)
				}
				close(goOn)
				if err := <-published; !errors.Is(err, storage.ErrNotExist) {
					t.Errorf("publish of what was swept: %v, want %v", err, storage.ErrNotExist)
				}
				now, nowErr := sweeper.Get(t.Context(), "k")
				if string(now.Data) != string(was.Data) || now.State != was.State || now.Version != was.Version || errors.Is(nowErr, storage.ErrNotExist) != errors.Is(wasErr, storage.ErrNotExist) {
					t.Errorf("the key has %q in state %d, %v, want what it had, %q in state %d, %v", now.Data, now.State, nowErr, was.Data, was.State, wasErr)
				}
			})
		}
	}
}

// TestSweepOfADraftThatIsPublished: who is faster than the sweep has published, and the sweep leaves it.
func TestSweepOfADraftThatIsPublished(t *testing.T) {
	t.Parallel()
	cfg := s3test.Config(t)
	through, gate := gated(t, cfg)
	sweeper, publisher := create(t, through), create(t, cfg)
	for _, lies := range []string{"k", "_drafts/k/"} { // the second one is prepared while the first one is live
		pending, err := publisher.Prepare(t.Context(), "k", []byte("in time for "+lies))
		must(t, err)
		arrived, goOn := gate.hold(http.MethodPut, lies)
		swept := make(chan error)
		go func() { swept <- second(sweeper.Sweep(t.Context(), 0)) }()
		<-arrived
		must(t, pending.Publish(t.Context()))
		close(goOn)
		must(t, <-swept)
		wantObject(t, publisher, "k", []byte("in time for "+lies))
	}
}
