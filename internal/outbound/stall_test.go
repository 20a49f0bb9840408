package outbound

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowly gives a byte each second.
type slowly struct{ from io.Reader }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Second) // of the bubble
	return s.from.Read(p[:1])
}

func TestABodyThatIsSentSlowlyIsNoStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := pipes(t, Options{Stall: func() time.Duration { return 2 * time.Second }}, func(conn net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return
			}
			body, _ := io.ReadAll(r.Body)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"+string(body))
		})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://service.test/", slowly{strings.NewReader("12345")})
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 5
		answer, err := NewTransport(o).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if got, err := io.ReadAll(answer.Body); err != nil || string(got) != "12345" {
			t.Errorf("got %q and error %v", got, err)
		}
		time.Sleep(time.Minute) // of the bubble: net/http reads once more, to see that the body has ended
	})
}

func TestAServerThatReadsNothingIsAStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		o := pipes(t, Options{Stall: func() time.Duration { return 2 * time.Second }}, func(net.Conn) { <-end })
		defer close(end)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://service.test/", strings.NewReader("12345"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewTransport(o).RoundTrip(r)
		if timeout := new(TimeoutError); !errors.As(err, &timeout) || timeout.After != 2*time.Second {
			t.Errorf("got error %v, want a TimeoutError after 2s", err)
		}
	})
}

func TestAReaderThatIsSlowIsNoStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := pipes(t, Options{Stall: func() time.Duration { return 2 * time.Second }}, answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := NewTransport(o).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		time.Sleep(time.Hour) // of the bubble
		var got [1]byte
		for _, want := range "body" {
			if _, err := io.ReadFull(answer.Body, got[:]); err != nil || rune(got[0]) != want {
				t.Fatalf("got %q and error %v, want %q", got, err, want)
			}
			time.Sleep(time.Hour) // of the bubble
		}
	})
}
