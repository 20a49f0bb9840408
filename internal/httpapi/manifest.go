package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

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
	content, done, err := a.readManifest(w, r)
	if err != nil {
		return err
	}
	defer done()
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
	return created(w, a.manifestPath(req.Namespace, pushed.Digest), pushed.Digest)
}

// What manifests that are pushed take of the memory, in bytes.
const (
	firstBuffer  = 16 << 10 // of one before any of its body has arrived
	smallBody    = 64 << 10 // of one that does not wait for its turn
	bodiesAtOnce = 16 << 20 // of all larger ones together; parsed and packed each takes several times that
)

// readManifest reads a whole body, but no more of it than a manifest may have. A large one waits for its turn before more
// of it is read, and done ends that.
func (a *API) readManifest(w *router.Response, r *http.Request) (content []byte, done func(), err error) {
	tooLarge := fmt.Errorf("%w: a manifest may have %d bytes", registry.ErrTooLarge, a.MaxManifestSize)
	if r.ContentLength > a.MaxManifestSize {
		return nil, nil, tooLarge
	}
	var body bytes.Buffer
	// Memory is taken as bytes arrive, not as the client announces them: the buffer begins small and doubles.
	if r.ContentLength > 0 {
		body.Grow(int(min(r.ContentLength, firstBuffer)) + bytes.MinRead)
	}
	n, err := body.ReadFrom(io.LimitReader(r.Body, min(smallBody, a.MaxManifestSize)+1))
	done = func() {}
	if err == nil && n > smallBody && n <= a.MaxManifestSize {
		weight := a.MaxManifestSize
		if r.ContentLength > 0 {
			weight = r.ContentLength
		}
		weight = min(weight, bodiesAtOnce)
		if err := w.Wait(func() error { return a.awaitTurn(r.Context(), weight) }); err != nil {
			return nil, nil, fmt.Errorf("read manifest: %w", err)
		}
		done = func() { a.bodies.Release(weight) }
		if r.ContentLength > 0 {
			body.Grow(int(r.ContentLength-n) + bytes.MinRead) // it has its turn, so what it announces is bounded
		}
		var rest int64
		rest, err = body.ReadFrom(io.LimitReader(r.Body, a.MaxManifestSize+1-n))
		n += rest
	}
	if err == nil && n <= a.MaxManifestSize {
		return body.Bytes(), done, nil
	}
	done()
	if err != nil {
		return nil, nil, fmt.Errorf("read manifest: %w", err)
	}
	return nil, nil, tooLarge
}

// longestTurn is how long a long body waits for others.
const longestTurn = 30 * time.Second

// awaitTurn waits for room for a long body, for a time.
func (a *API) awaitTurn(ctx context.Context, weight int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, longestTurn, router.ErrBodiesFull)
	defer cancel()
	if err := a.bodies.Acquire(ctx, weight); err != nil {
		return context.Cause(ctx)
	}
	return nil
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
