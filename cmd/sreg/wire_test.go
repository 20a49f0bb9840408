package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

// wire is a client without a library between it and the API, which keeps what was acknowledged.
type wire struct {
	client       *http.Client
	base         string
	acknowledged []registrytest.Fact
}

func newWire(t *testing.T, s *server) *wire {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &wire{client: &http.Client{Transport: transport, Timeout: 2 * patience}, base: s.url("")}
}

// answer is what a server said.
type answer struct {
	request string
	status  int
	header  http.Header
	body    []byte
}

// refusal is an answer that is no success.
type refusal struct{ answer }

func (r *refusal) Error() string {
	return fmt.Sprintf("%s: %d %s", r.request, r.status, bytes.TrimSpace(r.body))
}

// refused says whether an error is an answer of that status.
func refused(err error, status int) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == status
}

// send sends a request. Any answer but a success is an error.
func (w *wire) send(method, path, contentType string, body []byte) (answer, error) {
	req, err := http.NewRequest(method, w.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{request: method + " " + path, status: res.StatusCode, header: res.Header, body: text}
	if got.status/100 != 2 {
		return got, &refusal{got}
	}
	return got, nil
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
	d := digestOf(whole)
	session := &session{ns: ns, id: location[strings.LastIndex(location, "/")+1:]}
	w.acknowledged = append(w.acknowledged, session.goesOn())
	last := len(chunks) - 1
	for _, chunk := range chunks[:last] {
		if chunk == "" {
			continue
		}
		if _, err := w.send(http.MethodPatch, location, "application/octet-stream", []byte(chunk)); err != nil {
			return err
		}
		session.size += int64(len(chunk))
	}
	session.ended = true
	_, err = w.send(http.MethodPut, location+"?digest="+d.String(), "application/octet-stream", []byte(chunks[last]))
	return w.ack(err, blobIs(ns, whole))
}

// begin begins an upload and returns where it goes on.
func (w *wire) begin(ns oci.Name) (location string, err error) {
	begun, err := w.send(http.MethodPost, "/v2/"+ns.String()+"/blobs/uploads/", "", nil)
	return begun.header.Get("Location"), err
}

func (w *wire) mount(ns, from oci.Name, content string) error {
	d := digestOf(content)
	got, err := w.send(http.MethodPost, fmt.Sprintf("/v2/%s/blobs/uploads/?mount=%s&from=%s", ns, d, from), "", nil)
	if err == nil && got.status != http.StatusCreated {
		err = &refusal{got}
	}
	return w.ack(err, blobIs(ns, content))
}

func (w *wire) pushManifest(ns oci.Name, content []byte, tag oci.Tag) error {
	_, err := w.send(http.MethodPut, fmt.Sprintf("/v2/%s/manifests/%s", ns, tag), oci.MediaTypeImageManifest, content)
	return w.ack(err, registrytest.ManifestIs(ns, content), registrytest.TagIs(ns, tag, oci.DigestOf(oci.SHA256, content)))
}

// pushImage pushes a config, a layer, and the manifest that names them, to each of the tags.
func (w *wire) pushImage(ns oci.Name, image image, tags ...oci.Tag) error {
	for _, content := range []string{image.config, image.layer} {
		if err := w.pushBlob(ns, content); err != nil {
			return err
		}
	}
	for _, tag := range tags {
		if err := w.pushManifest(ns, image.manifest(), tag); err != nil {
			return err
		}
	}
	return nil
}

// pull pulls an image by its tag and compares every byte.
func (w *wire) pull(ns oci.Name, image image, tag oci.Tag) error {
	want := map[string]string{
		"manifests/" + tag.String():                string(image.manifest()),
		"blobs/" + digestOf(image.config).String(): image.config,
		"blobs/" + digestOf(image.layer).String():  image.layer,
	}
	for path, content := range want {
		got, err := w.send(http.MethodGet, "/v2/"+ns.String()+"/"+path, "", nil)
		if err != nil {
			return err
		}
		if string(got.body) != content {
			return fmt.Errorf("%s: got %d bytes, want %d others", path, len(got.body), len(content))
		}
	}
	return nil
}

// remove deletes what a path below a namespace names.
func (w *wire) remove(ns oci.Name, path string, facts ...registrytest.Fact) error {
	_, err := w.send(http.MethodDelete, "/v2/"+ns.String()+"/"+path, "", nil)
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

// image is a config, a layer and the manifest that names them.
type image struct{ config, layer string }

func imageOf(name string) image {
	return image{config: `{"architecture":"amd64","os":"linux","author":"` + name + `"}`, layer: "the layer of " + name}
}

func (i image) manifest() []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, oci.MediaTypeImageManifest,
		describe(oci.MediaTypeImageConfig, i.config), describe("application/vnd.oci.image.layer.v1.tar", i.layer))
}

func (i image) digest() oci.Digest { return oci.DigestOf(oci.SHA256, i.manifest()) }

func describe(mediaType, content string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digestOf(content), len(content))
}

// nameOf and tagOf are for tests that know what they write.

func nameOf(text string) oci.Name { return parsed(oci.ParseName(text)) }

func tagOf(text string) oci.Tag { return parsed(oci.ParseTag(text)) }

func parsed[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func digestOf(content string) oci.Digest { return oci.DigestOf(oci.SHA256, []byte(content)) }

func blobIs(ns oci.Name, content string) registrytest.Fact {
	return registrytest.BlobIs(ns, []byte(content))
}

// errorIn reads the OCI error of a refusal.
func errorIn(r *refusal) (oci.ErrorInfo, error) {
	var body oci.ErrorBody
	if err := json.Unmarshal(r.body, &body); err != nil || len(body.Errors) != 1 {
		return oci.ErrorInfo{}, fmt.Errorf("%s: want an OCI error, got %.200q (%v)", r.request, r.body, err)
	}
	return body.Errors[0], nil
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
