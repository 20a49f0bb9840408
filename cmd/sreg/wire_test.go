package main_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

// wire is a client without a library between it and the API, which keeps what was acknowledged.
type wire struct {
	httpapitest.Client
	ctx          context.Context
	acknowledged []registrytest.Fact
}

func newWire(t *testing.T, s *server) *wire {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := httpapitest.Client{HTTP: &http.Client{Transport: transport, Timeout: 2 * patience}, Base: s.url("")}
	return &wire{Client: client, ctx: t.Context()}
}

// send sends a request. Any answer but a success is an error.
func (w *wire) send(method, path, contentType, body string) (httpapitest.Answer, error) {
	return w.Send(w.ctx, method, path, contentType, body)
}

// ack notes what holds from now on, if there was no error.
func (w *wire) ack(err error, facts ...registrytest.Fact) error {
	if err == nil {
		w.acknowledged = append(w.acknowledged, facts...)
	}
	return err
}

func (w *wire) pushBlob(ns oci.Name, content string) error { return w.pushChunks(ns, "", content) }

// pushChunks pushes a blob: a PATCH for each chunk that is not empty, and a PUT with the last one.
func (w *wire) pushChunks(ns oci.Name, chunks ...string) error {
	location, err := w.begin(ns)
	if err != nil {
		return err
	}
	whole := strings.Join(chunks, "")
	session := &session{ns: ns, id: location[strings.LastIndex(location, "/")+1:]}
	w.acknowledged = append(w.acknowledged, session.goesOn())
	last := len(chunks) - 1
	for _, chunk := range chunks[:last] {
		if chunk == "" {
			continue
		}
		if _, err := w.send(http.MethodPatch, location, httpapitest.Bytes, chunk); err != nil {
			return err
		}
		session.size += int64(len(chunk))
	}
	session.ended = true
	return w.ack(w.complete(location, chunks[last], whole), registrytest.BlobIs(ns, whole))
}

// begin begins an upload and returns where it goes on.
func (w *wire) begin(ns oci.Name) (location string, err error) {
	return w.StartUpload(w.ctx, ns.String())
}

// complete ends an upload of a content with its last bytes.
func (w *wire) complete(location, last, whole string) error {
	return w.CompleteUpload(w.ctx, location, last, ocitest.DigestOf(whole))
}

func (w *wire) mount(ns, from oci.Name, blob ocitest.Content) error {
	return w.ack(w.Mount(w.ctx, ns.String(), from.String(), blob.Digest), registrytest.BlobIs(ns, blob.Text))
}

func (w *wire) pushManifest(ns oci.Name, m ocitest.Manifest, tag oci.Tag) error {
	err := w.PushManifest(w.ctx, ns.String(), tag.String(), m.Content)
	return w.ack(err, registrytest.ManifestIs(ns, m.Text), registrytest.TagIs(ns, tag, m.Digest))
}

// pushImage pushes an image to each of the tags.
func (w *wire) pushImage(ns oci.Name, image ocitest.Manifest, tags ...oci.Tag) error {
	for _, blob := range image.Blobs() {
		if err := w.pushBlob(ns, blob.Text); err != nil {
			return err
		}
	}
	for _, tag := range tags {
		if err := w.pushManifest(ns, image, tag); err != nil {
			return err
		}
	}
	return nil
}

// pull pulls an image by its tag and compares every byte.
func (w *wire) pull(ns oci.Name, image ocitest.Manifest, tag oci.Tag) error {
	return w.Pull(w.ctx, ns.String(), tag.String(), image)
}

// remove deletes what a path below a namespace names.
func (w *wire) remove(ns oci.Name, path string, facts ...registrytest.Fact) error {
	_, err := w.send(http.MethodDelete, "/v2/"+ns.String()+"/"+path, "", "")
	return w.ack(err, facts...)
}

// session is an upload that a client was told of.
type session struct {
	ns    oci.Name
	id    string
	size  int64 // bytes that were acknowledged
	ended bool  // its PUT was sent; from then on only the answer says what is there
}

// goesOn is S6 from outside: the session is there, with what was acknowledged.
func (u *session) goesOn() registrytest.Fact {
	return registrytest.Fact{
		Name: "upload " + u.id,
		Holds: func(ctx context.Context, r *registry.Registry) error {
			if u.ended {
				return nil
			}
			now, err := r.UploadStatus(ctx, u.ns, u.id)
			if err == nil && now.Size < u.size {
				err = fmt.Errorf("it holds %d bytes, %d were acknowledged", now.Size, u.size)
			}
			return err
		},
	}
}

// checkStore opens the folder of a server beside it, or behind it, verifies S1 to S6 there and what was
// acknowledged, and returns what names something that is gone.
func checkStore(t *testing.T, dir string, facts ...registrytest.Fact) (dangling []string) {
	t.Helper()
	store, opened := openStore(t, dir)
	defer store.Close()
	return registrytest.Check(t, registrytest.Subject{Registry: opened, Blobs: store, Metadata: store}, facts...)
}

// openStore opens the folder of a server, as another process would. The caller closes the store.
func openStore(t *testing.T, dir string) (*fs.Store, *registry.Registry) {
	t.Helper()
	store, err := fs.New(fs.Config{Root: dir}, fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := registry.New(t.Context(), registry.Options{
		Blobs: store, Metadata: store, Locks: memory.New(), Config: registry.DefaultConfig(), Now: time.Now,
	})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	return store, opened
}
