package outbound

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	for name, reader := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "by bytes": iotest.OneByteReader, "with its end": iotest.DataErrReader} {
		for sent, want := range map[int]error{0: nil, 9: nil, 10: nil, 11: ErrTooLarge, 1000: ErrTooLarge} {
			body := Limit(io.NopCloser(reader(strings.NewReader(strings.Repeat("x", sent)))), 10)
			got, err := io.ReadAll(body)
			if !errors.Is(err, want) || len(got) != min(sent, 10) {
				t.Errorf("%d bytes %s: got %d and error %v, want %v", sent, name, len(got), err, want)
			}
			if _, err := body.Read(make([]byte, 5)); want != nil && !errors.Is(err, want) {
				t.Errorf("%d bytes %s: got error %v from the next read, want %v", sent, name, err, want)
			}
		}
	}
}

func TestABodyWithoutAnEndIsCutOff(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}, nil)
	_, body, err := get(t, newClient(t, server, Options{MaxBody: 1 << 20}), server.URL)
	if !errors.Is(err, ErrTooLarge) || len(body) != 1<<20 {
		t.Errorf("got %d bytes and error %v, want 1 MiB and %v", len(body), err, ErrTooLarge)
	}
}
