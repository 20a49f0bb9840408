package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sink is a connection that takes files, and notes how it got them.
type sink struct {
	discard
	bytes.Buffer
	pieces    []string // what each ReadFrom was given
	deadlines int
	fail      func(n int) error // of the n-th ReadFrom; the piece is cut in half before it
}

func (s *sink) Write(p []byte) (int, error) { return s.Buffer.Write(p) }

func (s *sink) SetWriteDeadline(time.Time) error {
	s.deadlines++
	return nil
}

func (s *sink) ReadFrom(src io.Reader) (int64, error) {
	limited := src.(*io.LimitedReader)
	s.pieces = append(s.pieces, fmt.Sprintf("%T %d", limited.R, limited.N))
	if s.fail != nil {
		if err := s.fail(len(s.pieces)); err != nil {
			n, _ := io.CopyN(&s.Buffer, limited, limited.N/2)
			return n, err
		}
	}
	return io.Copy(&s.Buffer, limited)
}

// newFile returns an open file of random bytes.
func newFile(t *testing.T, size int) (*os.File, []byte) {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, content
}

func TestReadFrom(t *testing.T) {
	t.Parallel()
	const size = 2*pieceSize + 5
	broken := errors.New("broken pipe")
	tests := []struct {
		name   string
		source func(*os.File) io.Reader
		fail   func(int) error
		want   int // bytes of the file
		pieces []string
		err    error
	}{
		{
			name:   "a file goes out in pieces, each a file to the connection",
			source: func(f *os.File) io.Reader { return f },
			want:   size,
			pieces: []string{"*os.File 1048576", "*os.File 1048576", "*os.File 1048576"},
		},
		{
			name:   "a part of a file likewise, and no more of it",
			source: func(f *os.File) io.Reader { return io.LimitReader(f, pieceSize+1) },
			want:   pieceSize + 1,
			pieces: []string{"*os.File 1048576", "*os.File 1"},
		},
		{
			name:   "a part that is larger than its file ends with the file",
			source: func(f *os.File) io.Reader { return io.LimitReader(f, 10*pieceSize) },
			want:   size,
			pieces: []string{"*os.File 1048576", "*os.File 1048576", "*os.File 1048576"},
		},
		{
			name:   "what is no file is copied",
			source: func(f *os.File) io.Reader { return io.MultiReader(f) },
			want:   size,
		},
		{
			name:   "a slow client gets the rest of the piece",
			source: func(f *os.File) io.Reader { return io.LimitReader(f, pieceSize) },
			fail: func(n int) error {
				if n == 1 {
					return os.ErrDeadlineExceeded
				}
				return nil
			},
			want:   pieceSize,
			pieces: []string{"*os.File 1048576", "*os.File 524288"},
		},
		{
			name:   "a broken connection ends it",
			source: func(f *os.File) io.Reader { return f },
			fail:   func(int) error { return broken },
			want:   pieceSize / 2,
			pieces: []string{"*os.File 1048576"},
			err:    broken,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, content := newFile(t, size)
			s := &sink{discard: discard{header: http.Header{}}, fail: tt.fail}
			w := guard(s, httptest.NewRequest(http.MethodGet, "/", nil), &Timeouts{Stall: time.Minute})
			n, err := w.ReadFrom(tt.source(f))
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if n != int64(tt.want) || !bytes.Equal(s.Bytes(), content[:tt.want]) {
				t.Errorf("got %d bytes, want the first %d of the file", n, tt.want)
			}
			if got, want := fmt.Sprint(s.pieces), fmt.Sprint(tt.pieces); got != want {
				t.Errorf("got pieces %s, want %s", got, want)
			}
			if s.deadlines == 0 {
				t.Error("no deadline was set")
			}
		})
	}
}

func TestALimitedReaderKnowsWhatWasTaken(t *testing.T) {
	t.Parallel()
	f, _ := newFile(t, 100)
	limited := &io.LimitedReader{R: f, N: 150}
	w := guard(&sink{}, httptest.NewRequest(http.MethodGet, "/", nil), &Timeouts{Stall: time.Minute})
	if n, err := io.Copy(w, limited); n != 100 || err != nil {
		t.Fatal(n, err)
	}
	if limited.N != 50 {
		t.Errorf("got %d left, want 50", limited.N)
	}
}

func TestAFileArrivesWhole(t *testing.T) {
	t.Parallel()
	const size = 5*pieceSize + 17
	f, content := newFile(t, size)
	for name, begin := range map[string]func(*testing.T, http.Handler) (client *http.Client, url string){
		"over plain HTTP": func(t *testing.T, h http.Handler) (*http.Client, string) {
			return http.DefaultClient, "http://" + start(t, h, nil).addr()
		},
		"over TLS": func(t *testing.T, h http.Handler) (*http.Client, string) {
			r, trust := startTLS(t, h, nil)
			return &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}, "https://" + r.addr()
		},
		"over HTTP/2": func(t *testing.T, h http.Handler) (*http.Client, string) {
			r, trust := startTLS(t, h, nil)
			return &http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}}, "https://" + r.addr()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, url := begin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(size))
				if _, err := io.Copy(w, io.NewSectionReader(f, 0, 10)); err != nil {
					t.Error(err)
				}
				own, err := os.Open(f.Name())
				if err != nil {
					t.Error(err)
					return
				}
				defer own.Close()
				if _, err := own.Seek(10, io.SeekStart); err != nil {
					t.Error(err)
				}
				if _, err := io.CopyN(w, own, size-10); err != nil {
					t.Error(err)
				}
			}))
			defer client.CloseIdleConnections()
			response, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			got, err := io.ReadAll(response.Body)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("got %d bytes and %v, want the %d of the file", len(got), err, size)
			}
		})
	}
}

func TestAClientThatDoesNotReadIsDropped(t *testing.T) {
	t.Parallel()
	f, _ := newFile(t, pieceSize)
	sent := make(chan error, 1)
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for err == nil { // fills every buffer on the way
			if _, err = f.Seek(0, io.SeekStart); err == nil {
				_, err = io.CopyN(w, f, pieceSize)
			}
		}
		sent <- err
	}), func(o *Options) { o.Config.Timeouts.Stall = 100 * time.Millisecond })
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got error %v, want that the deadline passed", err)
	}
}

func TestAClientThatStopsSendingIsDropped(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		limit bool // refuse the request, so that nobody reads the body
	}{
		{"while a handler reads its body", false},
		{"while nobody reads its body", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.limit {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if _, err := io.ReadAll(r.Body); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got error %v, want that the deadline passed", err)
				}
			}), func(o *Options) { o.Config.Timeouts.Stall = 100 * time.Millisecond })
			conn, err := net.Dial("tcp", r.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: sreg\r\nContent-Length: 100\r\n\r\nhalf"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) { // returns when the server closes
				t.Errorf("got error %v, want the end of the connection", err)
			}
		})
	}
}

func TestARequestMayTakeLongAfterItsBody(t *testing.T) {
	t.Parallel()
	const stall = 50 * time.Millisecond
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			t.Error("the request was taken for one whose client left")
		case <-time.After(3 * stall):
		}
		_, _ = io.WriteString(w, "done")
	}), func(o *Options) { o.Config.Timeouts.Stall = stall })
	response, err := http.Post("http://"+r.addr(), "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "done" {
		t.Errorf("got %q and %v, want the answer", body, err)
	}
}
