package s3_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

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
		"nothing":                "",
		"another's words":        "hello, world\n",
		"its head cut off":       whole[:20],
		"its data cut off":       whole[:len(whole)-3],
		"a bit of its data":      whole[:len(whole)-1] + "!",
		"of another state":       strings.Replace(whole, `"state":0`, `"state":1`, 1),
		"of no state":            strings.Replace(whole, `"state":0`, `"state":7`, 1),
		"no data key that it is": strings.Replace(whole, `"size":9`, `"size":9,"place":"3:x:k"`, 1),
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
			if name == "no data key that it is" && method != "get" && method != "open" {
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

// TestThreatServiceThatLies: nothing of what a broken or hostile service says is taken for a record.
func TestThreatServiceThatLies(t *testing.T) {
	t.Parallel()
	aRecord := s3.EncodeRecord(t, []byte("x"))
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		w.Header().Set("Etag", `"1"`)
		_, _ = io.WriteString(w, aRecord)
	}))
	t.Cleanup(other.Close)
	whole := func(w http.ResponseWriter) { w.Header().Set("Etag", `"1"`) }
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"a body shorter than its length": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, aRecord)
		},
		"a record cut off": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			_, _ = io.WriteString(w, aRecord[:len(aRecord)-1])
		},
		"a record with more behind it": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			_, _ = io.WriteString(w, aRecord+"yyy")
		},
		"a record of other data": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			_, _ = io.WriteString(w, strings.TrimSuffix(aRecord, "x")+"y")
		},
		"no ETag": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, aRecord) },
		"nothing": func(w http.ResponseWriter, _ *http.Request) { whole(w) },
		"a redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		},
		"a lasting redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusMovedPermanently)
		},
		"a body without an end": func(w http.ResponseWriter, r *http.Request) {
			whole(w)
			endless(w, r)
		},
		"an error without an end": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			endless(w, r)
		},
		"a 404 with another code": refusal(404, "NoSuchBucket", "no").ServeHTTP,
		"not modified": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			w.WriteHeader(http.StatusNotModified)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(answer))
			t.Cleanup(server.Close)
			cfg := at(server.URL)
			cfg.MaxAttempts, cfg.Timeout = 1, 30*time.Second
			if err := s3.LoadRecord(t.Context(), open(t, cfg), "a"); err == nil {
				t.Error("it is taken for a record, or for an absent one")
			}
		})
	}
	t.Cleanup(func() {
		if elsewhere.Load() > 0 {
			t.Error("a redirect was followed")
		}
	})
	t.Run("the true record is taken", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			_, _ = io.WriteString(w, aRecord)
		}))
		t.Cleanup(server.Close)
		if err := s3.LoadRecord(t.Context(), open(t, at(server.URL)), "a"); err != nil {
			t.Error(err)
		}
	})
}

func endless(w http.ResponseWriter, r *http.Request) {
	block := make([]byte, 1<<20)
	for r.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// TestThreatWriteWithoutAcknowledgement: what is acknowledged without an ETag, or by an error below a status
// of 200, is not written.
func TestThreatWriteWithoutAcknowledgement(t *testing.T) {
	t.Parallel()
	bucket, key, id := aws.String("images"), aws.String("a"), aws.String("1")
	part := func() io.Reader { return strings.NewReader("x") }
	for name, c := range map[string]struct {
		answer http.Handler
		ask    func(t *testing.T, client *awss3.Client) error
	}{
		"a put without an ETag": {said{200, nil, ""}, func(t *testing.T, client *awss3.Client) error {
			_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: key, Body: part()})
			return err
		}},
		"a part without an ETag": {said{200, nil, ""}, func(t *testing.T, client *awss3.Client) error {
			_, err := client.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: bucket, Key: key, UploadId: id, PartNumber: aws.Int32(1), Body: part()})
			return err
		}},
		"a completion that is an error": {refusal(200, "InternalError", "we failed"), complete},
		"a completion that is empty":    {said{200, nil, ""}, complete},
		"a completion that is a page":   {said{200, http.Header{"Content-Type": {"text/html"}}, "<html></html>"}, complete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.answer)
			t.Cleanup(server.Close)
			if err := c.ask(t, s3.Client(open(t, at(server.URL)))); err == nil {
				t.Error("it is taken for written")
			}
		})
	}
}

func complete(t *testing.T, client *awss3.Client) error {
	t.Helper()
	_, err := client.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: aws.String("images"), Key: aws.String("a"), UploadId: aws.String("1"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String("1")}}},
	})
	return err
}

// TestWhatServicesHonour is learned from the services themselves.
func TestWhatServicesHonour(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		s := create(t, server.Config(t))
		if !s.Features().ConditionalWrites {
			t.Error("the service honours no conditions, want that it does")
		}
		if _, deletes := s.Honours(); deletes != (server.Name == "versitygw") {
			t.Errorf("it honours conditions of deletes: %v", deletes)
		}
	})
}

// TestServiceWithoutConditions serves, and says what it cannot do.
func TestServiceWithoutConditions(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	refusing := s3test.Proxied(t, server.Config(t), func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-Match") == "" && r.Header.Get("If-None-Match") == "" {
				service.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusNotImplemented)
			_, _ = io.WriteString(w, "<Error><Code>NotImplemented</Code></Error>")
		})
	})
	for name, s := range map[string]storage.Store{
		"ignores": create(t, server.Unconditional(t, server.Config(t))),
		"refuses": create(t, refusing),
	} {
		if s.Features().ConditionalWrites {
			t.Errorf("a service that %s conditions is said to honour them", name)
		}
		version, err := s.Put(t.Context(), "k", []byte("1"), storage.PutOptions{IfAbsent: true})
		must(t, err)
		if err := second(s.Put(t.Context(), "k", []byte("2"), storage.PutOptions{IfAbsent: true})); !errors.Is(err, storage.ErrExists) {
			t.Errorf("put if absent: %v, want %v", err, storage.ErrExists)
		}
		must(t, second(s.Put(t.Context(), "k", []byte("3"), storage.PutOptions{IfUnchanged: version})))
		if err := s.Delete(t.Context(), "k", storage.DeleteOptions{IfUnchanged: version}); !errors.Is(err, storage.ErrChanged) {
			t.Errorf("delete at an older version: %v, want %v", err, storage.ErrChanged)
		}
		must(t, s.Condemn(t.Context(), "k"))
		must(t, s.Destroy(t.Context(), "k", storage.DeleteOptions{}))
	}
}
