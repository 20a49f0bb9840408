package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/router"
)

// getManifest answers GET and HEAD (spec: Pulling manifests).
func (a *API) getManifest(w *router.Response, r *http.Request, req *router.Request) error {
	m, err := a.Manifests.GetManifest(r.Context(), req.Namespace, req.Reference)
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet { // a HEAD is no pull
		a.Manifests.NotePull(req.Namespace, req.Reference, m.Digest)
	}
	header := w.Header()
	setDigest(w, m.Digest)
	header["Cache-Control"] = noCache
	if req.Reference.IsDigest() {
		header["Cache-Control"] = immutable
	}
	if notModified(r, m.Digest) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if oci.Active(m.MediaType) { // it was stored before such types were refused
		header["Content-Type"] = octetStream
	} else {
		w.Set("Content-Type", m.MediaType)
	}
	w.Set("Content-Length", strconv.Itoa(len(m.Content)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write(m.Content); err != nil {
		return fmt.Errorf("send manifest: %w", err)
	}
	return nil
}

// putManifest answers PUT by tag and by digest (spec: Pushing manifests).
func (a *API) putManifest(w *router.Response, r *http.Request, req *router.Request) error {
	content, err := a.readManifest(r)
	if err != nil {
		return err
	}
	pushed, err := a.Content.PutManifest(r.Context(), req.Namespace, registry.Push{
		Digest: req.Digest, Tags: req.Tags, ContentType: r.Header.Get("Content-Type"), Content: content, By: req.By(),
	})
	if err != nil {
		return err
	}
	header := w.Header()
	if !pushed.Subject.IsZero() {
		w.Set("Oci-Subject", pushed.Subject.String())
	}
	if req.Reference.IsDigest() {
		for _, tag := range req.Tags {
			header["Oci-Tag"] = append(header["Oci-Tag"], tag.String())
		}
	}
	return created(w, manifestPath(req.Namespace, pushed.Digest), pushed.Digest)
}

// firstBuffer is what a manifest's body gets before any of it has arrived, in bytes.
const firstBuffer = 16 << 10

// readManifest reads a whole body, but no more of it than a manifest may have.
func (a *API) readManifest(r *http.Request) ([]byte, error) {
	tooLarge := fmt.Errorf("%w: a manifest may have %d bytes", registry.ErrTooLarge, a.MaxManifestSize)
	if r.ContentLength > a.MaxManifestSize {
		return nil, tooLarge
	}
	var content bytes.Buffer
	// Memory is taken as bytes arrive, not as the client announces them: the buffer begins small and doubles.
	if r.ContentLength > 0 {
		content.Grow(int(min(r.ContentLength, firstBuffer)) + bytes.MinRead)
	}
	n, err := content.ReadFrom(io.LimitReader(r.Body, a.MaxManifestSize+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if n > a.MaxManifestSize {
		return nil, tooLarge
	}
	return content.Bytes(), nil
}

// deleteManifest answers DELETE: a tag alone, or a manifest with its tags (spec: Content
// Management).
func (a *API) deleteManifest(w *router.Response, r *http.Request, req *router.Request) (err error) {
	if req.Reference.IsDigest() {
		err = a.Content.DeleteManifest(r.Context(), req.Namespace, req.Digest, req.By())
	} else {
		err = a.Content.DeleteTag(r.Context(), req.Namespace, req.Reference.Tag, req.By())
	}
	if err != nil {
		return err
	}
	return accepted(w)
}
