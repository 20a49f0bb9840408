package bench

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// answers serves bodies and headers as different servers write them.
func answers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /length", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "twelve bytes")
	})
	mux.HandleFunc("GET /chunks", func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "four")
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("GET /large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 1<<20))
	})
	mux.HandleFunc("POST /relative", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/at?state=a%20b")
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST /absolute", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.Host+"/at?state=a%20b")
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("PUT /echo", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("GET /closes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
	})
	return mux
}

func TestClientReadsABody(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		req  request
		want string
	}{
		"that has a length":         {get("/length"), "twelve bytes"},
		"that comes in chunks":      {get("/chunks"), "fourfourfour"},
		"that is larger than a buf": {get("/large"), string(make([]byte, 1<<20))},
		"of a request in parts":     {put("/echo", bytesType, []byte("one "), nil, []byte("two")), "one two"},
		"that HEAD does not send":   {headOf("/length"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, answers())
			for range 2 { // the second time shows that the first read everything
				var body bytes.Buffer
				if _, err := c.do(tc.req, &body); err != nil {
					t.Fatal(err)
				}
				if got := body.String(); got != tc.want {
					t.Errorf("got %d bytes, want %d: %.40q", len(got), len(tc.want), got)
				}
				if _, err := c.do(tc.req, nil); err != nil {
					t.Fatalf("without keeping the body: %v", err)
				}
			}
		})
	}
}

func TestClientReducesALocationToItsPath(t *testing.T) {
	t.Parallel()
	c := connect(t, answers())
	for _, path := range []string{"/relative", "/absolute"} {
		got, err := c.do(post(path, http.StatusAccepted), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := "/at?state=a%20b"; got.location != want {
			t.Errorf("%s: got %s, want %s", path, got.location, want)
		}
	}
}

func TestClientReportsAnAnswerThatItDidNotWant(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/nowhere": "GET /nowhere: want status 200, got 404: 404 page not found",
		"/closes":  "GET /closes: the server closes the connection",
	} {
		_, err := connect(t, answers()).do(get(path), nil)
		if err == nil || strings.TrimSpace(err.Error()) != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

func TestLoadDoesEachOperationOnce(t *testing.T) {
	t.Parallel()
	done := make([]atomic.Int32, 100)
	l := load{ops: len(done), op: func(_ *client, i int) error {
		done[i].Add(1)
		return nil
	}}
	if err := l.run(make([]*client, someClients)); err != nil {
		t.Fatal(err)
	}
	for i := range done {
		if got := done[i].Load(); got != 1 {
			t.Errorf("operation %d: got %d times, want once", i, got)
		}
	}
}

func TestLoadEndsAtTheFirstError(t *testing.T) {
	t.Parallel()
	var calls int
	l := load{ops: 10, op: func(*client, int) error {
		calls++
		return io.ErrUnexpectedEOF
	}}
	if err := l.run(make([]*client, 1)); err == nil || calls != 1 {
		t.Errorf("got %v after %d calls, want the error after one", err, calls)
	}
}
