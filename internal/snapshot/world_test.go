package snapshot_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/httpapi"
	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/snapshot"
)

// world is a whole sreg that runs as a config text says: its snapshot, behind its server, on a port of
// this computer.
type world struct {
	t        testing.TB
	url      string
	root     string
	live     *snapshot.Live
	snapshot *snapshot.Snapshot
	metrics  *prometheus.Registry
	client   *http.Client
	logs     *lines
	audit    *lines
	bound    []server.Bound
}

// setup is how a world is made.
type setup struct {
	config string // merged over listening on one port and keeping things in a folder
	users  string // the users file, empty for none
	root   string // of the store, empty for a new one
}

func newWorld(t testing.TB, set setup) *world {
	t.Helper()
	if set.root == "" {
		set.root = filepath.Join(t.TempDir(), "data")
	}
	w := &world{t: t, root: set.root, logs: &lines{}, audit: &lines{}, client: &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(w.client.CloseIdleConnections)
	cfg := w.load(set)
	w.metrics = prometheus.NewRegistry()
	logger := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	shared := snapshot.NewShared(snapshot.SharedOptions{
		First: func(*config.Config) httpapi.First {
			return httpapi.First{Namespace: "alpine", Push: httpapi.Anybody, Tags: httpapi.Anybody}
		},
		Logger: logger, Metrics: w.metrics, Version: "v1.2.3", Audit: slog.New(slog.NewJSONHandler(w.audit, nil)),
	})
	t.Cleanup(shared.Close)
	w.live, err = snapshot.Open(t.Context(), cfg, shared, nil) // without claims: a world may be beside another
	must(t, err)
	t.Cleanup(func() { must(t, w.live.Close()) })
	w.snapshot = w.live.Snapshot()
	w.listen(cfg, logger)
	return w
}

// replace lets the world go on with another config.
func (w *world) replace(set setup) {
	w.t.Helper()
	set.root = w.root
	must(w.t, w.live.Replace(w.t.Context(), w.load(set)))
	w.snapshot = w.live.Snapshot()
}

// load reads the config text over the settings that every world has.
func (w *world) load(set setup) *config.Config {
	w.t.Helper()
	folder := w.t.TempDir()
	base := fmt.Sprintf("storage: {blobs: {fs: {root: %q, sync: false}}, min_free: 0}\nserver: {listeners: [{name: main, address: '127.0.0.1:0'}]}\n", set.root)
	if set.users != "" {
		base += fmt.Sprintf("auth: {users_file: %q}\n", write(w.t, folder, "users", set.users))
	}
	cfg, _, err := config.Load(config.Options{Files: []string{write(w.t, folder, "base.yaml", base), write(w.t, folder, "sreg.yaml", set.config)}})
	must(w.t, err)
	return cfg
}

func (w *world) listen(cfg *config.Config, logger *slog.Logger) {
	w.t.Helper()
	srv, err := server.New(server.Options{Config: cfg.Server, Logger: logger, Metrics: server.NewMetrics(w.metrics)})
	must(w.t, err)
	must(w.t, srv.Listen(w.t.Context()))
	must(w.t, w.live.Serve(srv))
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(w.t.Context()) }() // ends with the test's context, before clean-ups
	w.t.Cleanup(func() { must(w.t, <-ended) })
	w.bound = srv.Bound()
	w.url = "http://" + w.bound[0].Addr.String()
}

// again is what a restart with another config and other users makes of the same store.
func (w *world) again(set setup) *world {
	w.t.Helper()
	set.root = w.root
	return newWorld(w.t, set)
}

func write(t testing.TB, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// lines is what was logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
	full bool         // guarded by mu; the disk is
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return 0, errors.New("no space left")
	}
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// call is one request, with the Authorization header auth unless that is empty.
type call struct {
	method, path, auth, body string
	header                   http.Header
}

func (c call) String() string { return c.method + " " + c.path }

// reply is what came back.
type reply struct {
	call   call
	status int
	header http.Header
	body   string
}

func (w *world) do(c call) reply {
	w.t.Helper()
	var body io.Reader = http.NoBody
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), c.method, w.url+c.path, body)
	must(w.t, err)
	for name, values := range c.header {
		r.Header[name] = values
	}
	if c.auth != "" {
		r.Header.Set("Authorization", c.auth)
	}
	response, err := w.client.Do(r)
	must(w.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(w.t, err)
	return reply{call: c, status: response.StatusCode, header: response.Header, body: string(text)}
}

func (w *world) get(path, auth string) reply {
	w.t.Helper()
	return w.do(call{method: "GET", path: path, auth: auth})
}

// is fails the test unless the reply has this status.
func (r reply) is(t testing.TB, status int) reply {
	t.Helper()
	if r.status != status {
		t.Errorf("%s: status %d, want %d; body %.300s", r.call, r.status, status, r.body)
	}
	return r
}

// code is the one error code in the body.
func (r reply) code() string {
	var body oci.ErrorBody
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || len(body.Errors) != 1 {
		return ""
	}
	return string(body.Errors[0].Code)
}

// plain is all that a client sees of a reply, but for what differs between any two: id and date.
func (r reply) plain() string {
	header := r.header.Clone()
	header.Del("X-Request-Id")
	header.Del("Date")
	var text strings.Builder
	fmt.Fprintf(&text, "%d\n", r.status)
	_ = header.Write(&text) // a strings.Builder never fails
	return text.String() + "\n" + r.body
}

// as replaces parts of a plain reply: what is named differs, the rest must not.
func (r reply) as(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(r.plain()) }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// token is the Bearer header that the token service gives for a credential.
func (w *world) token(auth string) string {
	w.t.Helper()
	return "Bearer " + w.tokens(auth).Token
}

type tokenAnswer struct {
	Token   string `json:"token"`
	Refresh string `json:"refresh_token"`
}

func (w *world) tokens(auth string) (answer tokenAnswer) {
	w.t.Helper()
	r := w.get("/token?service=sreg&offline_token=true", auth).is(w.t, http.StatusOK)
	must(w.t, json.Unmarshal([]byte(r.body), &answer))
	return answer
}

// hash is the cheapest hash of a password that sreg accepts.
func hash(t testing.TB, password string) string {
	t.Helper()
	text, err := bcrypt.GenerateFromPassword([]byte(password), 5)
	must(t, err)
	return string(text)
}

// user is a line of a users file. The password is the name and "-secret".
func user(t testing.TB, name string, groups ...string) string {
	t.Helper()
	return name + ":" + hash(t, name+"-secret") + ":" + strings.Join(groups, ",") + "\n"
}

// signIn is the password of a user whom user made.
func signIn(name string) string { return basic(name, name+"-secret") }

func digestOf(content string) string { return ocitest.DigestOf(content).String() }

// api is a client that pushes and pulls as most do, with an Authorization header unless that is empty.
func (w *world) api(auth string) httpapitest.Client {
	return httpapitest.Client{HTTP: w.client, Base: w.url, Authorization: auth}
}

func (w *world) pushBlob(auth, ns, content string) string {
	w.t.Helper()
	must(w.t, w.api(auth).PushBlob(w.t.Context(), ns, content))
	return digestOf(content)
}

func putImage(auth, ns, reference, name string) call {
	image := ocitest.Image(name)
	return call{
		method: "PUT", path: "/v2/" + ns + "/manifests/" + reference, auth: auth, body: image.Text,
		header: http.Header{"Content-Type": {image.MediaType}},
	}
}

// pushImage pushes the image of a name with its config and layer, and returns its digest.
func (w *world) pushImage(auth, ns, reference, name string) string {
	w.t.Helper()
	image := ocitest.Image(name)
	must(w.t, w.api(auth).Push(w.t.Context(), ns, image, reference))
	return image.Digest.String()
}
