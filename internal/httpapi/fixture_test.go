package httpapi_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/httpapi"
	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/router"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/memory"
	"github.com/sreg-project/sreg/internal/storage/s3"
)

// settings are how a fixture differs from a registry without a config.
type settings struct {
	config       func(*registry.Config)
	repositories []registry.RepositoryConfig
	wrap         func(storage.Store) storage.Store
	root         string        // the folder of the store; empty is in memory
	minFree      bytesize.Size // of the folder
	externalURL  *url.URL
	first        *httpapi.First // nil: all is open
	accessLog    float64
	authorizer   httpapi.Authorizer // nil allows everything
	signIn       access.SignIn      // how everybody signs in
	bucket       *s3.Config         // the store lies there, and not in root
	metadataTTL  time.Duration
}

// nobody signs in where these tests run: who may do what is tested where all parts meet, in snapshot.
type nobody struct{ signIn access.SignIn }

func (n nobody) Authenticate(r *http.Request) (access.Identity, access.SignIn, error) {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	return access.Identity{ClientIP: address.Addr()}, n.signIn, err
}
func (nobody) Challenge(*http.Request, *access.Request) string { return "" }
func (nobody) Secure(r *http.Request) bool                     { return r.TLS != nil }
func (nobody) Token(*http.Request) (any, *access.SignInError, error) {
	return nil, nil, access.ErrNoTokens
}

// everything is allowed.
type everything struct{}

func (everything) Authorize(_ context.Context, q *access.Question) access.Decision {
	return access.Decision{Allowed: true, Asked: q.Request}
}

func (everything) MayList(_ context.Context, _ *access.Question, entries []oci.Name, until time.Time) []bool {
	return registrytest.ShowIf(func(oci.Name) bool { return true })(entries, until)
}

// fixture is a whole API, listening on a loopback port.
type fixture struct {
	t        testing.TB
	url      string
	root     string
	memory   *memory.Store // unless the store lies elsewhere
	client   *http.Client
	handler  http.Handler
	registry *registry.Registry
	store    storage.Store
	clock    *clock
	logs     *logs
	draining atomic.Bool
}

func newFixture(t testing.TB, set settings) *fixture {
	t.Helper()
	return newFixtureOn(t, set, memory.New(memory.Options{}))
}

func newFixtureOn(t testing.TB, set settings, store *memory.Store) *fixture {
	t.Helper()
	f := &fixture{t: t, root: set.root, memory: store, clock: &clock{}, logs: &logs{}}
	f.openRegistry(set)
	f.makeHandler(set)
	server := httptest.NewServer(f.handler)
	t.Cleanup(server.Close)
	f.url = server.URL
	f.client = server.Client()
	return f
}

func (f *fixture) openRegistry(set settings) {
	f.t.Helper()
	f.store = f.openStore(set)
	if set.wrap != nil {
		f.store = set.wrap(f.store)
	}
	config := registry.DefaultConfig()
	if set.config != nil {
		set.config(&config)
	}
	opts := registry.Options{
		Blobs: f.store, Metadata: f.store, Locks: lockmemory.New(),
		Config: config, Repositories: set.repositories, MetadataTTL: set.metadataTTL, Now: f.clock.now,
	}
	if set.bucket != nil {
		opts.Redirect, opts.RedirectTTL = set.bucket.Redirect, set.bucket.RedirectTTL
	}
	var err error
	f.registry, err = registry.New(f.t.Context(), opts)
	must(f.t, err)
	if !config.ReadOnly {
		must(f.t, f.registry.Maintenance().Create(f.t.Context()))
	}
}

func (f *fixture) openStore(set settings) storage.Store {
	f.t.Helper()
	if set.bucket != nil {
		store, err := s3.New(f.t.Context(), *set.bucket, s3.Options{})
		must(f.t, err)
		f.t.Cleanup(func() { store.Close() })
		must(f.t, store.Create(f.t.Context()))
		return store
	}
	if f.root == "" {
		return f.memory
	}
	store, err := fs.New(fs.Config{Root: f.root}, fs.Options{MinFree: set.minFree})
	must(f.t, err)
	f.t.Cleanup(func() { store.Close() })
	must(f.t, store.Create(f.t.Context()))
	return store
}

func (f *fixture) makeHandler(set settings) {
	f.t.Helper()
	gatherer, log := prometheus.NewRegistry(), slog.New(slog.NewTextHandler(f.logs, nil))
	if set.authorizer == nil {
		set.authorizer = everything{}
	}
	config := registry.DefaultConfig()
	if set.config != nil {
		set.config(&config)
	}
	open := &httpapi.First{Namespace: "alpine", Push: httpapi.Anybody, Pull: httpapi.Anybody, Tags: httpapi.Anybody, Catalog: httpapi.Anybody}
	api := httpapi.New(httpapi.Options{
		Resources: httpapi.Resources{
			Manifests: f.registry, Blobs: f.registry, Tags: f.registry, Catalog: f.registry, Content: f.registry, Uploads: f.registry,
			Ready: f.registry.Ready,
		},
		SignIn: nobody{set.signIn}, Authorizer: set.authorizer, MaxManifestSize: int64(config.MaxManifestSize),
		Draining: f.draining.Load, Logger: log, Gatherer: gatherer, Version: "v1.2.3", ExternalURL: set.externalURL, First: *cmp.Or(set.first, open),
	})
	f.handler = router.New(router.Options{
		Origins:       &router.Origins{},
		Authenticator: nobody{set.signIn}, Authorizer: set.authorizer, Logger: log, AccessLog: set.accessLog,
		Metrics: router.NewMetrics(gatherer),
	}).Handler(router.Listener{Tables: api.Tables(httpapi.Serves{API: true, Health: true, Metrics: true})})
}

// again is the registry after a restart: another process on the same store.
func (f *fixture) again(set settings) *fixture {
	f.t.Helper()
	set.root = f.root
	return newFixtureOn(f.t, set, f.memory)
}

// holds verifies the invariants of the store, and that nothing in it names what is gone.
func (f *fixture) holds(t *testing.T) {
	t.Helper()
	dangling := registrytest.Check(t, registrytest.Subject{Registry: f.registry, Blobs: f.store, Metadata: f.store})
	if len(dangling) > 0 {
		t.Errorf("what is gone is named by\n  %s", strings.Join(dangling, "\n  "))
	}
}

// call is one request. A body of nil sends none; one that is no *strings.Reader has no length.
type call struct {
	method, path string
	body         io.Reader
	header       map[string]string
}

// answer is what came back.
type answer struct {
	call   call
	status int
	header http.Header
	body   string
}

func (f *fixture) do(c call) answer { f.t.Helper(); return f.doAs("", c) }

// doAs asks by another host name than that of the address.
func (f *fixture) doAs(host string, c call) answer {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), c.method, f.url+c.path, c.body)
	must(f.t, err)
	req.Host = host
	for key, value := range c.header {
		req.Header.Set(key, value)
	}
	resp, err := f.client.Do(req)
	must(f.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(f.t, err)
	return answer{call: c, status: resp.StatusCode, header: resp.Header, body: string(body)}
}

func (f *fixture) get(path string) answer { f.t.Helper(); return f.do(call{method: "GET", path: path}) }

func (f *fixture) head(path string) answer {
	f.t.Helper()
	return f.do(call{method: "HEAD", path: path})
}

func (f *fixture) delete(path string) answer {
	f.t.Helper()
	return f.do(call{method: "DELETE", path: path})
}

// want is what an answer must be. A header that must be absent has the value none.
type want struct {
	status int
	code   oci.ErrorCode
	header map[string]string
	body   string // exactly, unless empty
}

const none = "<none>"

func (a answer) wants(t testing.TB, w want) {
	t.Helper()
	what := a.call.method + " " + a.call.path
	if a.status != w.status {
		t.Errorf("%s: status %d, want %d; body %.300s", what, a.status, w.status, a.body)
		return
	}
	for key, value := range w.header {
		got, there := a.header[http.CanonicalHeaderKey(key)]
		if value == none && there {
			t.Errorf("%s: header %s is %q, want none", what, key, got)
		}
		if value != none && strings.Join(got, "|") != value {
			t.Errorf("%s: header %s is %q, want %q", what, key, got, value)
		}
	}
	if w.body != "" && a.body != w.body {
		t.Errorf("%s: body\n got %.300s\nwant %.300s", what, a.body, w.body)
	}
	if w.code != "" && a.call.method != "HEAD" {
		if got := a.info(t); got.Code != w.code || got.Message == "" {
			t.Errorf("%s: code %s with message %q, want %s", what, got.Code, got.Message, w.code)
		}
	}
}

// info is the one error in the body.
func (a answer) info(t testing.TB) oci.ErrorInfo {
	t.Helper()
	var body oci.ErrorBody
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || len(body.Errors) != 1 {
		t.Errorf("%s %s: body %.300s is no error body of one error (%v)", a.call.method, a.call.path, a.body, err)
		return oci.ErrorInfo{}
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: error body has the type %q", a.call.method, a.call.path, got)
	}
	return body.Errors[0]
}

// api is a client that pushes and pulls as most do.
func (f *fixture) api() httpapitest.Client { return httpapitest.Client{HTTP: f.client, Base: f.url} }

func (f *fixture) pushBlob(ns, content string) oci.Digest {
	f.t.Helper()
	must(f.t, f.api().PushBlob(f.t.Context(), ns, content))
	return digestOf(content)
}

func (f *fixture) pushManifest(ns, reference string, m ocitest.Content) {
	f.t.Helper()
	must(f.t, f.api().PushManifest(f.t.Context(), ns, reference, m))
}

// putManifest is pushManifest for a test that looks at the answer.
func (f *fixture) putManifest(ns, reference string, m ocitest.Content) answer {
	f.t.Helper()
	return f.do(call{
		method: "PUT", path: "/v2/" + ns + "/manifests/" + reference,
		body: strings.NewReader(m.Text), header: map[string]string{"Content-Type": m.MediaType},
	})
}

// pushImage pushes the image of a name with its config and layer.
func (f *fixture) pushImage(ns, name, reference string) ocitest.Manifest {
	f.t.Helper()
	image := ocitest.Image(name)
	must(f.t, f.api().Push(f.t.Context(), ns, image, reference))
	return image
}

func descriptorOf(mediaType, content string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digestOf(content), len(content))
}

func digestOf(content string) oci.Digest { return ocitest.DigestOf(content) }

func digest512Of(content string) oci.Digest { return oci.DigestOf(oci.SHA512, []byte(content)) }

// stream hides the length of a body, so that it is sent in chunks.
func stream(content string) io.Reader { return struct{ io.Reader }{strings.NewReader(content)} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is the time as the registry sees it: the real one, moved on by the test.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// logs are what was logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// keys are those of all objects in the store.
func (f *fixture) keys(t *testing.T) []string {
	t.Helper()
	var keys []string
	for entry, err := range f.store.List(t.Context(), "", storage.ListOptions{Deep: true}) {
		must(t, err)
		keys = append(keys, entry.Name)
	}
	return keys
}

// sink is a ResponseWriter that keeps nothing and allocates nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(status int) { s.status = status }

func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func (s *sink) ReadFrom(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }

// bench sends one request again and again. It calls the handler without a network, so that what it shows is
// the work of this package and of those below it.
func bench(b *testing.B, f *fixture, method, path string, status int) {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), method, path, nil)
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		f.handler.ServeHTTP(w, r)
		if w.status != status {
			b.Fatalf("status %d, want %d", w.status, status)
		}
	}
}

// settle waits until what is stored is old enough for the caches to rest on it. No call can set the
// time by which that is judged.
func (f *fixture) settle(b *testing.B) {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		info, err := f.store.Stat(b.Context(), "app/_manifests/tags/v1")
		must(b, err)
		if info.Settled {
			return
		}
		<-tick.C
	}
}

func newHandlerWithImage(b *testing.B, set ...func(*registry.Config)) *fixture {
	b.Helper()
	f := newHandler(b, b.TempDir(), set...)
	f.pushImage("app", "a", "v1")
	f.settle(b)
	return f
}

// newHandler is a fixture without a listener, in a folder or in memory.
func newHandler(t testing.TB, root string, change ...func(*registry.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, root: root, memory: memory.New(memory.Options{}), clock: &clock{}, logs: &logs{}}
	set := settings{config: func(c *registry.Config) {
		for _, one := range change {
			one(c)
		}
	}}
	f.openRegistry(set)
	f.makeHandler(set)
	api := httpapitest.InProcess(f.handler)
	f.client, f.url = api.HTTP, api.Base
	return f
}
