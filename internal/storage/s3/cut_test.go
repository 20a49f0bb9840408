package s3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestAnAnswerThatEndsTooEarlyIsNoWholeOne lets each body end in its middle without an error, as the end of a file: what
// stands between the service and this process may do so.
func TestAnAnswerThatEndsTooEarlyIsNoWholeOne(t *testing.T) {
	t.Parallel()
	store := create(t, s3test.Config(t))
	data := noise(100_000)
	key := dataKeyOf(t, store, "u", data)
	must(t, second(store.Put(t.Context(), "folder/a", bytes.Repeat([]byte("a"), 1000), storage.PutOptions{})))
	must(t, second(store.Put(t.Context(), "folder/b", nil, storage.PutOptions{})))
	store.SetTransport(func(inner http.RoundTripper) http.RoundTripper { return halving{inner} })

	content, _, err := store.OpenData(t.Context(), key)
	must(t, err)
	defer content.Close()
	if got, err := io.ReadAll(content); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d of %d bytes of a blob: got %v, want %v", len(got), len(data), err, io.ErrUnexpectedEOF)
	}
	if value, err := store.Get(t.Context(), "folder/a"); err == nil {
		t.Errorf("%d of 1000 bytes of a record were taken for the whole", len(value.Data))
	}
	if info, err := store.Stat(t.Context(), "folder/a"); err == nil {
		t.Errorf("a record that ends too early has %d bytes", info.Size)
	}
	for entry, err := range store.List(t.Context(), "folder", storage.ListOptions{}) {
		if err == nil {
			t.Errorf("a listing that ends too early has %s", entry.Name)
			continue
		}
		return
	}
	t.Error("a listing that ends too early is taken for one of nothing")
}

// halving ends the bodies of answers in their middle.
type halving struct{ http.RoundTripper }

func (h halving) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.RoundTripper.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet {
		return resp, err
	}
	whole, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(whole[:len(whole)/2])))
	return resp, err
}
