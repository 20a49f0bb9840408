package s3_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// gate is a proxy that holds back one request, or lets its answer get lost.
type gate struct {
	bucket string

	mu      sync.Mutex // guards what follows
	method  string     // of the request that is waited for; empty for none
	key     string
	arrived chan struct{}
	goOn    chan struct{}
	lose    map[string]bool // the keys whose next answer to a write is lost
}

func gated(t testing.TB, cfg s3.Config) (s3.Config, *gate) {
	t.Helper()
	g := &gate{bucket: "/" + cfg.Bucket + "/", lose: map[string]bool{}}
	return s3test.Proxied(t, cfg, func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key := strings.TrimPrefix(r.URL.Path, g.bucket)
			g.wait(r.Method, key)
			if !g.loses(r.Method, key) {
				service.ServeHTTP(w, r)
				return
			}
			service.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		})
	}), g
}

// hold keeps the next request of a method for keys that begin so from the service until goOn is closed.
func (g *gate) hold(method, key string) (arrived <-chan struct{}, goOn chan<- struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.method, g.key, g.arrived, g.goOn = method, key, make(chan struct{}), make(chan struct{})
	return g.arrived, g.goOn
}

func (g *gate) wait(method, key string) {
	g.mu.Lock()
	held := g.method == method && strings.HasPrefix(key, g.key)
	arrived, goOn := g.arrived, g.goOn
	if held {
		g.method = ""
	}
	g.mu.Unlock()
	if held {
		close(arrived)
		<-goOn
	}
}

// loseAnswer lets the answer to the next write of a key get lost.
func (g *gate) loseAnswer(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lose[key] = true
}

func (g *gate) loses(method, key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	lost := method == http.MethodPut && g.lose[key]
	if lost {
		delete(g.lose, key)
	}
	return lost
}

// TestStalledPublisher: a draft that was swept is never published, however late the request comes.
func TestStalledPublisher(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	place := places(t, server)
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
				cfg := place()
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

// TestLostAnswer: what was written is told as written, although the service says to the next attempt that
// the condition does not hold.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		cfg, gate := gated(t, server.Config(t))
		s := create(t, cfg)
		versions := map[string]storage.Version{}
		for _, step := range []struct {
			name string
			do   func() error
			want error // of Get afterwards
		}{
			{"put if absent", func() (err error) {
				versions["k"], err = s.Put(t.Context(), "k", []byte("1"), storage.PutOptions{IfAbsent: true})
				return err
			}, nil},
			{"put if unchanged", func() error {
				return second(s.Put(t.Context(), "k", []byte("2"), storage.PutOptions{IfUnchanged: versions["k"]}))
			}, nil},
			{"condemn", func() error { return s.Condemn(t.Context(), "k") }, nil},
			{"revive", func() error { return second(s.Revive(t.Context(), "k")) }, nil},
			{"condemn again", func() error { return s.Condemn(t.Context(), "k") }, nil},
			{"destroy", func() error { return s.Destroy(t.Context(), "k", storage.DeleteOptions{}) }, storage.ErrNotExist},
			{"put", func() error { return second(s.Put(t.Context(), "k", []byte("3"), storage.PutOptions{})) }, nil},
			{"delete", func() error { return s.Delete(t.Context(), "k", storage.DeleteOptions{}) }, storage.ErrNotExist},
		} {
			gate.loseAnswer("k")
			if err := step.do(); err != nil {
				t.Errorf("%s whose answer was lost: %v", step.name, err)
			}
			if err := second(s.Get(t.Context(), "k")); !errors.Is(err, step.want) {
				t.Errorf("get after %s: %v, want %v", step.name, err, step.want)
			}
		}
	})
}

// TestDamage: what cannot be read is an error, and never an object that is not there.
func TestDamage(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	s := create(t, cfg)
	put(t, s, "k", "some data")
	whole := raw(t, server, cfg, "k")
	for name, damaged := range map[string]string{
		"nothing":             "",
		"another's words":     "hello, world\n",
		"its head cut off":    whole[:20],
		"its data cut off":    whole[:len(whole)-3],
		"a bit of its data":   whole[:len(whole)-1] + "!",
		"of another state":    strings.Replace(whole, `"state":0`, `"state":1`, 1),
		"of no state":         strings.Replace(whole, `"state":0`, `"state":7`, 1),
		"no place that it is": strings.Replace(whole, `"size":9`, `"size":9,"place":"3:x:k"`, 1),
	} {
		_, err := server.Client().PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &cfg.Bucket, Key: aws.String("k"), Body: strings.NewReader(damaged)})
		must(t, err)
		_, _, openErr := s.Open(t.Context(), "k")
		for method, err := range map[string]error{
			"get": second(s.Get(t.Context(), "k")), "open": openErr,
			"condemn": s.Condemn(t.Context(), "k"), "revive": second(s.Revive(t.Context(), "k")),
			"delete":        s.Delete(t.Context(), "k", storage.DeleteOptions{}),
			"put if absent": second(s.Put(t.Context(), "k", nil, storage.PutOptions{IfAbsent: true})),
		} {
			if name == "no place that it is" && method != "get" && method != "open" {
				continue // the record is whole
			}
			if err == nil || errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrExists) {
				t.Errorf("%s of a record with %s: %v, want an error that says so", method, name, err)
			}
		}
	}
	put(t, s, "k", "put anew")
	wantObject(t, s, "k", []byte("put anew"))
}

// raw is what lies under a key of the service.
func raw(t testing.TB, server *s3test.Server, cfg s3.Config, key string) string {
	t.Helper()
	out, err := server.Client().GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &cfg.Bucket, Key: aws.String(prefixOf(cfg) + key)})
	must(t, err)
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	must(t, err)
	return string(b)
}
