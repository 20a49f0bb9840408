package router_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/router"
)

// anybody signs in as nobody and may do everything but delete.
type anybody struct{}

func (anybody) Authenticate(*http.Request) (access.Identity, access.SignIn, error) {
	return access.Identity{}, access.SignIn{}, nil
}
func (anybody) Secure(*http.Request) bool { return false }
func (anybody) Authorize(_ context.Context, q *access.Question) access.Decision {
	return access.Decision{Allowed: q.Request.Method != http.MethodDelete, Asked: q.Request}
}

var errDenied = errors.New("denied")

// table has one resource under a prefix, and tells errors in words of its own.
func table(prefix string, get router.Handler) router.Table {
	return router.Table{
		Routes: []router.Route{
			{Resource: 1, Method: http.MethodGet, Action: access.UIPage, Handle: get},
			{Resource: 1, Method: http.MethodDelete, Action: access.Search, Handle: get},
		},
		Split: func(r *http.Request) (path router.Path, found bool) {
			rest, found := strings.CutPrefix(r.URL.Path, prefix)
			if rest == "thing" {
				path.Resource = 1
			}
			return path, found
		},
		Parse:  func(*http.Request, router.Path, *access.Request) error { return nil },
		Denied: func(context.Context, *router.Request, access.Decision) error { return errDenied },
		Describe: func(header http.Header, _ *http.Request, _ *router.Request, err error) router.Failure {
			header.Set("Content-Type", "text/plain")
			status := http.StatusInternalServerError
			var method *router.MethodError
			switch {
			case errors.Is(err, router.ErrNoRoute):
				status = http.StatusNotFound
			case errors.Is(err, errDenied):
				status = http.StatusForbidden
			case errors.As(err, &method):
				status = http.StatusMethodNotAllowed
			}
			return router.Failure{Status: status, Body: []byte(prefix + " says: " + err.Error())}
		},
	}
}

// fixture is a Router, and what it counts and logs.
type fixture struct {
	gatherer *prometheus.Registry
	metrics  *router.Metrics
	logs     bytes.Buffer // to be read when no request is under way
	handler  http.Handler
}

func newFixture(tables ...router.Table) *fixture {
	f := &fixture{gatherer: prometheus.NewRegistry()}
	f.metrics = router.NewMetrics(f.gatherer)
	f.handler = f.route(tables...)
	return f
}

// route makes one more Router that counts with the others.
func (f *fixture) route(tables ...router.Table) http.Handler {
	return router.New(router.Options{
		Origins:       &router.Origins{},
		Authenticator: anybody{}, Authorizer: anybody{}, Logger: slog.New(slog.NewTextHandler(&f.logs, nil)), AccessLog: 1, Metrics: f.metrics,
	}).Handler(router.Listener{Tables: tables})
}

// counted compares the count of requests by action, method and status.
func (f *fixture) counted(t *testing.T, want string) {
	t.Helper()
	const head = "# HELP sreg_http_requests_total Requests answered, by action, method and status.\n# TYPE sreg_http_requests_total counter\n"
	if err := testutil.GatherAndCompare(f.gatherer, strings.NewReader(head+want), "sreg_http_requests_total"); err != nil {
		t.Error(err)
	}
}

func hello(w *router.Response, _ *http.Request, _ *router.Request) error {
	_, err := io.WriteString(w, "hello")
	return err
}

func TestEachTableShowsItsOwnErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(table("/pages/", hello), table("/api/", hello))
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/pages/thing", 200, "hello"},
		{"GET", "/api/thing", 200, "hello"},
		{"HEAD", "/api/none", 404, ""},
		{"GET", "/pages/none", 404, "/pages/ says: nothing is here"},
		{"GET", "/api/none", 404, "/api/ says: nothing is here"},
		{"GET", "/elsewhere", 404, "/api/ says: nothing is here"},
		{"GET", "/pages%2Fthing", 404, "/pages/ says: nothing is here"},
		{"DELETE", "/pages/thing", 403, "/pages/ says: denied"},
		{"PUT", "/pages/thing", 405, "/pages/ says: method PUT is not supported here, use one of DELETE, GET, HEAD"},
	} {
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil))
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, w.Code, w.Body, tt.status, tt.body)
		}
		if length := fmt.Sprint(len(tt.body)); tt.status != 200 && tt.method != "HEAD" && w.Header().Get("Content-Length") != length {
			t.Errorf("%s %s: Content-Length %s, want %s", tt.method, tt.path, w.Header().Get("Content-Length"), length)
		}
	}
}

func TestTheAccessLogIsOffUnlessWanted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	handler := router.New(router.Options{
		Origins:       &router.Origins{},
		Authenticator: anybody{}, Authorizer: anybody{}, Logger: slog.New(slog.NewTextHandler(&out, nil)), Metrics: router.NewMetrics(prometheus.NewRegistry()),
	}).Handler(router.Listener{Tables: []router.Table{table("/", hello)}})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/thing", nil))
	if got := out.String(); w.Code != 200 || got != "" {
		t.Errorf("status %d, log %q", w.Code, got)
	}
}

func TestTwoRoutersCountTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(table("/", hello))
	for _, handler := range []http.Handler{f.handler, f.route(table("/", hello))} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/thing", nil))
	}
	f.counted(t, `sreg_http_requests_total{action="ui-page",method="GET",status="200"} 2`+"\n")
}

// endless has more bytes than any buffer between a server and its client holds.
const endless = 256 << 20

// downloads are the ways by which a handler sends much.
func downloads(t *testing.T) map[string]router.Handler {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sparse")
	if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, endless)); err != nil {
		t.Fatal(err)
	}
	return map[string]router.Handler{
		"file": func(w *router.Response, _ *http.Request, _ *router.Request) error {
			file, err := os.Open(name)
			if err != nil {
				return err
			}
			defer file.Close()
			_, err = io.CopyN(w, file, endless)
			return err
		},
		"reader": func(w *router.Response, _ *http.Request, _ *router.Request) error {
			_, err := io.CopyN(w, zeros{}, endless)
			return err
		},
		"writes": func(w *router.Response, _ *http.Request, _ *router.Request) (err error) {
			for range endless >> 16 {
				if _, err = w.Write(make([]byte, 1<<16)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestADownloadThatBreaksOffIsCounted has a client that leaves in the middle. That is no failure of the
// server.
func TestADownloadThatBreaksOffIsCounted(t *testing.T) {
	t.Parallel()
	servers := map[string]func(*httptest.Server){
		"HTTP":   (*httptest.Server).Start,
		"HTTPS":  (*httptest.Server).StartTLS,
		"HTTP/2": func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
	}
	for way, download := range downloads(t) {
		for protocol, start := range servers {
			t.Run(way+" over "+protocol, func(t *testing.T) {
				t.Parallel()
				f := newFixture(table("/", download))
				done := make(chan struct{})
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(done)
					f.handler.ServeHTTP(w, r)
				}))
				start(server)
				defer server.Close()
				leave(t, server)
				<-done
				f.counted(t, `sreg_http_requests_total{action="ui-page",method="GET",status="499"} 1`+"\n")
				if got := f.logs.String(); strings.Contains(got, "ERROR") || strings.Count(got, "status=499") != 1 || strings.Contains(got, "bytes_out=0 ") {
					t.Errorf("logged %s", got)
				}
			})
		}
	}
}

// leave reads the begin of an answer and breaks the connection.
func leave(t *testing.T, server *httptest.Server) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/thing", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
	resp.Body.Close()
	server.CloseClientConnections()
}

// TestAnAnswerThatTheServerBreaksOffIsAFailure: the client has a status of 200 by then.
func TestAnAnswerThatTheServerBreaksOffIsAFailure(t *testing.T) {
	t.Parallel()
	errDisk := errors.New("disk failed")
	f := newFixture(table("/", func(w *router.Response, _ *http.Request, _ *router.Request) error {
		_, err := io.Copy(w, io.MultiReader(strings.NewReader("begin"), failing{errDisk}))
		return err
	}))
	server := httptest.NewServer(f.handler)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/thing")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the answer looks whole")
	}
	server.Close()
	f.counted(t, `sreg_http_requests_total{action="ui-page",method="GET",status="500"} 1`+"\n")
	if got := f.logs.String(); !strings.Contains(got, "disk failed") || strings.Count(got, "status=500") != 1 {
		t.Errorf("logged %s", got)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAHandlerThatPanicsIsCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(table("/", func(*router.Response, *http.Request, *router.Request) error { panic("a mistake") }))
	func() {
		defer func() {
			if recover() != "a mistake" {
				t.Error("the server does not hear of the panic")
			}
		}()
		f.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/thing", nil))
	}()
	f.counted(t, `sreg_http_requests_total{action="ui-page",method="GET",status="500"} 1`+"\n")
	const inFlight = "# HELP sreg_http_requests_in_flight Requests that are being answered now.\n# TYPE sreg_http_requests_in_flight gauge\nsreg_http_requests_in_flight 0\n"
	if err := testutil.GatherAndCompare(f.gatherer, strings.NewReader(inFlight), "sreg_http_requests_in_flight"); err != nil {
		t.Error(err)
	}
}

// files is a ResponseWriter that notes what it is given to send.
type files struct {
	*httptest.ResponseRecorder
	from io.Reader
}

func (f *files) ReadFrom(src io.Reader) (int64, error) {
	f.from = src
	return endless, nil
}

// TestAFileComesToTheConnectionAsAFile: sendfile takes a file, or a limit around one, and nothing else.
func TestAFileComesToTheConnectionAsAFile(t *testing.T) {
	t.Parallel()
	w := &files{ResponseRecorder: httptest.NewRecorder()}
	newFixture(table("/", downloads(t)["file"])).handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/thing", nil))
	limited, ok := w.from.(*io.LimitedReader)
	if !ok {
		t.Fatalf("the connection was given a %T", w.from)
	}
	if _, ok := limited.R.(*os.File); !ok {
		t.Errorf("the connection was given a limit around a %T", limited.R)
	}
}
