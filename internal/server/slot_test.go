package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestASlot(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	for _, tt := range []struct {
		name string
		do   func(s *slot)
		want int // places that are taken behind it
	}{
		{"is taken", func(*slot) {}, 1},
		{"ends", func(s *slot) { s.end() }, 0},
		{"ends once", func(s *slot) { s.end(); s.end() }, 0},
		{"is lent", func(s *slot) { s.lend() }, 0},
		{"is lent once", func(s *slot) {
			s.lend()
			if s.lend() {
				t.Error("a slot was lent twice")
			}
		}, 0},
		{"is taken back", func(s *slot) { s.lend(); s.takeBack(t.Context()) }, 1},
		{"is not taken back behind its end", func(s *slot) { s.lend(); s.end(); s.takeBack(t.Context()) }, 0},
		{"is not lent behind its end", func(s *slot) {
			s.end()
			if s.lend() {
				t.Error("a slot was lent behind its end")
			}
		}, 0},
		{"is not waited for without a client", func(s *slot) {
			s.lend()
			s.of <- struct{}{} // another request takes it
			s.takeBack(ended)
			<-s.of
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := new(slot)
			places := make(chan struct{}, 1)
			places <- struct{}{}
			s.begin(places)
			tt.do(s)
			if got := len(places); got != tt.want {
				t.Errorf("%d places are taken, want %d", got, tt.want)
			}
		})
	}
}

// TestASlowReaderHoldsNoSlot lets a client that does not read have a long answer, and asks for another one.
func TestASlowReaderHoldsNoSlot(t *testing.T) {
	t.Parallel()
	f, _ := newFile(t, pieceSize)
	for name, long := range map[string]func(w http.ResponseWriter) error{
		"of a file": func(w http.ResponseWriter) error {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
			_, err := io.CopyN(w, f, pieceSize)
			return err
		},
		"of bytes": func(w http.ResponseWriter) error {
			_, err := io.WriteString(w, strings.Repeat("x", pieceSize))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			begun, ended := make(chan struct{}), make(chan struct{})
			r := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/long" {
					return
				}
				close(begun)
				for long(w) == nil { // fills every buffer on the way
				}
				close(ended)
			}), func(o *Options) {
				o.Config.Limits = Limits{MaxConcurrentRequests: 1, Queue: 10, QueueWait: time.Minute}
			})
			conn, err := net.Dial("tcp", r.addr())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "GET /long HTTP/1.0\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			<-begun
			if status, _ := r.get(t, "/"); status != http.StatusOK {
				t.Errorf("got %d beside a client that does not read, want 200", status)
			}
			conn.Close()
			<-ended
		})
	}
}

// TestAnAnswerKeepsItsSlotWhileItIsShort: nobody waits for the client of such a one, whose work counts.
func TestAnAnswerKeepsItsSlotWhileItIsShort(t *testing.T) {
	t.Parallel()
	copyOf := func(n int64) func(w *response) {
		return func(w *response) { _, _ = io.CopyN(w, endless{}, n) }
	}
	write := func(n int) func(w *response) {
		return func(w *response) { _, _ = w.Write(make([]byte, n)) }
	}
	for _, tt := range []struct {
		name string
		do   []func(w *response)
		want int // places that are taken behind it
	}{
		{"a short one", []func(w *response){write(shortAnswer)}, 1},
		{"a long one", []func(w *response){write(shortAnswer + 1)}, 0},
		{"a short copy", []func(w *response){copyOf(shortAnswer)}, 1},
		{"a long copy", []func(w *response){copyOf(shortAnswer + 1)}, 0},
		{"short parts", []func(w *response){write(100), copyOf(1000), write(100), copyOf(800)}, 1},
		{"too many short parts", []func(w *response){write(100), copyOf(1000), write(100), copyOf(1000)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			places := make(chan struct{}, 1)
			places <- struct{}{}
			w := guard(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody), &Timeouts{})
			w.slot.begin(places)
			for _, do := range tt.do {
				do(w)
			}
			if got := len(places); got != tt.want {
				t.Errorf("%d places are taken, want %d", got, tt.want)
			}
		})
	}
}

// endless gives zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestTheRateOfABodyThatStreams sends a byte now and then: often enough for Stall, and for the least rate or not.
func TestTheRateOfABodyThatStreams(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		timeouts Timeouts
		dropped  bool
	}{
		{"slower than the least rate", Timeouts{Stall: 200 * time.Millisecond, LeastRate: 1 << 20}, true},
		{"faster than the least rate", Timeouts{Stall: 10 * time.Second, LeastRate: 1}, false},
		{"no least rate", Timeouts{Stall: 10 * time.Second}, false},
		{"longer than other bodies may take", Timeouts{Stall: 10 * time.Second, Body: time.Millisecond}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			read := make(chan error, 1)
			r := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				r.Body.(*body).Streams()
				_, err := io.Copy(io.Discard, r.Body)
				read <- err
			}), func(o *Options) { o.Config.Timeouts = tt.timeouts })
			from, to := io.Pipe()
			defer from.Close()
			go func() { // ends with its body, or when that is closed
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for n := 0; tt.dropped || n < 100; n++ {
					<-tick.C
					if _, err := to.Write([]byte("x")); err != nil {
						return
					}
				}
				to.Close()
			}()
			response, err := http.Post("http://"+r.addr(), "", from)
			if err == nil {
				response.Body.Close()
			}
			if got := <-read; errors.Is(got, os.ErrDeadlineExceeded) != tt.dropped {
				t.Errorf("got error %v, want that the client is dropped: %v", got, tt.dropped)
			}
		})
	}
}

func TestWhatAClientEarns(t *testing.T) {
	t.Parallel()
	b := body{response: &response{timeouts: &Timeouts{Stall: time.Minute, LeastRate: 1 << 10}}}
	b.Streams()
	for _, step := range []struct {
		name string
		n    int
		took time.Duration
		want time.Duration
	}{
		{"at first a pause", 0, 0, time.Minute},
		{"waiting costs", 0, 20 * time.Second, 40 * time.Second},
		{"bytes are worth time", 10 << 10, 0, 50 * time.Second},
		{"never more than a pause", 1 << 30, time.Second, time.Minute},
		{"at the least rate it stays", 5 << 10, 5 * time.Second, time.Minute},
	} {
		b.earn(step.n, step.took)
		if b.credit != step.want {
			t.Errorf("%s: got %v, want %v", step.name, b.credit, step.want)
		}
	}
}
