package httpapi_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/storage"
)

// broken is a Store whose disk fails while it is off.
type broken struct {
	storage.Store
	off atomic.Bool
}

var errDisk = &os.PathError{Op: "read", Path: "/srv/secret/path", Err: syscall.EIO}

func (b *broken) Unwrap() storage.Store { return b.Store }

func (b *broken) fault() error {
	if b.off.Load() {
		return errDisk
	}
	return nil
}

func (b *broken) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	if err := b.fault(); err != nil {
		return nil, storage.Info{}, err
	}
	return b.Store.Open(ctx, key)
}

func (b *broken) Get(ctx context.Context, key string) (storage.Value, error) {
	if err := b.fault(); err != nil {
		return storage.Value{}, err
	}
	return b.Store.Get(ctx, key)
}

func (b *broken) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := b.fault(); err != nil {
		return storage.Info{}, err
	}
	return b.Store.Stat(ctx, key)
}

func (b *broken) Fingerprint(ctx context.Context, prefix string) (storage.Stamp, bool, error) {
	if err := b.fault(); err != nil {
		return storage.Stamp{}, false, err
	}
	return b.Store.(storage.Fingerprinter).Fingerprint(ctx, prefix)
}

func (b *broken) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	if err := b.fault(); err != nil {
		return func(yield func(storage.Entry, error) bool) { yield(storage.Entry{}, err) }
	}
	return b.Store.List(ctx, prefix, opts)
}

func (b *broken) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	if err := b.fault(); err != nil {
		return "", err
	}
	return b.Store.Put(ctx, key, data, opts)
}

func (b *broken) Revive(ctx context.Context, key string) (storage.Info, error) {
	if err := b.fault(); err != nil {
		return storage.Info{}, err
	}
	return b.Store.Revive(ctx, key)
}

func (b *broken) CreateUpload(ctx context.Context, id string, label []byte) error {
	return errors.Join(b.fault(), b.Store.CreateUpload(ctx, id, label))
}

func (b *broken) StatUpload(ctx context.Context, id string) (storage.Session, []byte, error) {
	if err := b.fault(); err != nil {
		return storage.Session{}, nil, err
	}
	return b.Store.StatUpload(ctx, id)
}

func (b *broken) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	if err := b.fault(); err != nil {
		return nil, err
	}
	return b.Store.OpenUpload(ctx, id)
}

func (b *broken) Probe(ctx context.Context) error { return errors.Join(b.fault(), b.Store.Probe(ctx)) }

// TestThreatOutageShownAsNotFound: a client that is told 404 may push again, prune, or fall back to
// another registry.
func TestThreatOutageShownAsNotFound(t *testing.T) {
	t.Parallel()
	var store *broken
	f := newFixture(t, settings{wrap: func(s storage.Store) storage.Store { store = &broken{Store: s}; return store }})
	d := f.pushImage("app", "a", "v1").Digest
	path := f.start("app", "")
	calls := append(everyRequest("app", d), call{method: "GET", path: "/v2/_catalog"}, call{method: "GET", path: path},
		call{method: "PATCH", path: path, body: strings.NewReader("x")}, call{method: "GET", path: "/readyz"})
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200})

	store.off.Store(true)
	for _, c := range calls {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			a := f.do(c)
			if a.status < 500 {
				t.Errorf("status %d, want a 5xx; body %s", a.status, a.body)
			}
			if strings.Contains(a.body, "secret") || strings.Contains(a.body, "input/output") {
				t.Errorf("body tells about the inside: %s", a.body)
			}
			id := a.header.Get("X-Request-Id")
			if a.status == http.StatusInternalServerError && c.method != "HEAD" && !strings.Contains(a.body, id) {
				t.Errorf("body %s lacks the request id %s", a.body, id)
			}
			if !strings.Contains(f.logs.String(), "request_id="+id) {
				t.Errorf("the log lacks the request id %s", id)
			}
		})
	}
	store.off.Store(false)
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200})
	f.finish(path, tenBytes, digestOf(tenBytes)).wants(t, want{status: 201})
}

// TestARecordThatIsDamagedIsTheServersFault: its errors must not pass for the client's, and its key is
// nobody's business.
func TestARecordThatIsDamagedIsTheServersFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, key, content, method, path string }{
		{"a tag of another digest", "app/_manifests/tags/v1", `{"digest":"sha256:12"}`, "GET", "/v2/app/manifests/v1"},
		{"a tag of an unknown algorithm", "app/_manifests/tags/v1", `{"digest":"md5:12"}`, "GET", "/v2/app/manifests/v1"},
		{"an empty tag", "app/_manifests/tags/v1", ``, "GET", "/v2/app/manifests/v1"},
		{"a tag that is asked to go", "app/_manifests/tags/v1", `{"digest":"sha256:12"}`, "DELETE", "/v2/app/manifests/v1"},
		{"a tag that is pushed", "app/_manifests/tags/v1", `{"digest":"sha256:12"}`, "PUT", "/v2/app/manifests/v1"},
		{"a revision without a record", "app/_manifests/revisions/sha256/" + ocitest.Image("a").Digest.Hex(), "x", "GET", "/v2/app/manifests/v1"},
		{"an empty revision", "app/_manifests/revisions/sha256/" + ocitest.Image("a").Digest.Hex(), "", "GET", "/v2/app/manifests/" + ocitest.Image("a").Digest.String()},
		{"a referrer", "app/_manifests/referrers/sha256/" + digestOf("x").Hex() + "/sha256-" + digestOf("y").Hex(), `{"descriptor":{"digest":"sha256:12"}}`, "GET", "/v2/app/referrers/" + digestOf("x").String()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, settings{})
			f.pushImage("app", "a", "v1")
			_, err := f.store.Put(t.Context(), tt.key, []byte(tt.content), storage.PutOptions{})
			must(t, err)
			a := f.do(call{method: tt.method, path: tt.path, body: strings.NewReader(ocitest.Image("a").Text)})
			a.wants(t, want{status: 500, code: oci.CodeUnknown})
			if strings.Contains(a.body, "_manifests") {
				t.Errorf("body tells a key: %s", a.body)
			}
		})
	}
}

// away is a Store whose service does not answer while it is off.
type away struct {
	storage.Store
	off atomic.Bool
}

func (a *away) Get(ctx context.Context, key string) (storage.Value, error) {
	if a.off.Load() {
		return storage.Value{}, &storage.UnavailableError{RetryAfter: 7500 * time.Millisecond, Cause: errDisk}
	}
	return a.Store.Get(ctx, key)
}

// TestAnOutageSaysWhenToComeAgain: a client that is told so tries again by itself.
func TestAnOutageSaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	var store *away
	f := newFixture(t, settings{wrap: func(s storage.Store) storage.Store { store = &away{Store: s}; return store }})
	f.pushImage("app", "a", "v1")
	store.off.Store(true)
	a := f.get("/v2/app/manifests/v2")
	a.wants(t, want{status: 503, code: oci.CodeUnavailable, header: map[string]string{"Retry-After": "8"}})
	if strings.Contains(a.body, "secret") {
		t.Errorf("body tells about the inside: %s", a.body)
	}
}
