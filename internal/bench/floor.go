package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FloorCommand is the first argument that makes a bench binary the floor server; the second is the
// folder for its blobs.
const FloorCommand = "floor"

// uploadBuffer is what a push reads, hashes and writes at a time, in bytes. Measured: with less, the
// calls and the small folios of the page cache cost more.
const uploadBuffer = 1 << 20

// floor is the least that a Go program can do to answer with the same bytes: manifests from a map,
// blobs by sendfile, pushes hashed, written and synced once. It checks nothing and routes by hand,
// so what a registry takes longer is the price of being a registry.
type floor struct {
	dir       string
	manifests sync.Map // URL path -> *floorManifest
	buffers   sync.Pool
}

type floorManifest struct {
	body      []byte
	mediaType []string
	length    []string
	digest    []string
	etag      []string
}

// newFloor serves blobs from dir, which must exist.
func newFloor(dir string) *floor {
	f := &floor{dir: dir}
	f.buffers.New = func() any {
		b := make([]byte, uploadBuffer)
		return &b
	}
	return f
}

// ServeFloor runs the floor server on a free loopback port until ctx ends.
func ServeFloor(ctx context.Context, dir string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start floor: %w", err)
	}
	srv := &http.Server{Handler: newFloor(dir), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // nothing is worth draining
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve floor: %w", err)
	}
	return nil
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch p := r.URL.Path; {
	case strings.Contains(p, "/manifests/"):
		f.manifest(w, r)
	case r.Method == http.MethodPost:
		f.beginUpload(w, p)
	case strings.Contains(p, "/uploads/"):
		f.finishUpload(w, r)
	case strings.Contains(p, "/blobs/"):
		f.blob(w, r)
	}
}

func (f *floor) manifest(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		f.putManifest(w, r)
		return
	}
	found, ok := f.manifests.Load(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	m := found.(*floorManifest)
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = m.mediaType, m.length
	h["Docker-Content-Digest"], h["Etag"] = m.digest, m.etag
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(m.body) // a client that left is its own loss
}

func (f *floor) putManifest(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	digest := digestOf(body)
	f.manifests.Store(r.URL.Path, &floorManifest{
		body:      body,
		mediaType: []string{r.Header.Get("Content-Type")},
		length:    []string{strconv.Itoa(len(body))},
		digest:    []string{digest},
		etag:      []string{strconv.Quote(digest)},
	})
	w.WriteHeader(http.StatusCreated)
}

func (f *floor) beginUpload(w http.ResponseWriter, at string) {
	w.Header().Set("Location", path.Join(at, "1"))
	w.WriteHeader(http.StatusAccepted)
}

// finishUpload is hash and write in one pass, and one sync.
func (f *floor) finishUpload(w http.ResponseWriter, r *http.Request) {
	digest := r.URL.Query().Get("digest")
	err := f.write(f.file(digest), r.Body, digest)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (f *floor) write(name string, body io.Reader, digest string) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	hash := sha256.New()
	buf := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buf)
	if _, err := io.CopyBuffer(io.MultiWriter(hash, file), body, *buf); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != digest {
		return fmt.Errorf("write blob: want %s, got %s", digest, got)
	}
	return file.Sync()
}

func (f *floor) blob(w http.ResponseWriter, r *http.Request) {
	file, err := os.Open(f.file(path.Base(r.URL.Path)))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = file.Close() }() // only read from
	info, err := file.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()["Content-Type"] = []string{"application/octet-stream"}
	http.ServeContent(w, r, "", info.ModTime(), file)
}

// file keeps every blob in one folder; the base name keeps a wild digest inside it.
func (f *floor) file(digest string) string {
	return filepath.Join(f.dir, filepath.Base(digest))
}
