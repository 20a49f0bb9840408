package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/router"
)

// startUpload answers POST: it mounts a blob, takes a whole one, or starts a session (spec: Pushing
// blobs).
func (a *API) startUpload(w *router.Response, r *http.Request, req *router.Request) error {
	if req.Action == access.MountBlob {
		mounted, err := a.mount(r.Context(), req)
		if err != nil {
			return err
		}
		if mounted {
			return created(w, a.blobPath(req.Namespace, req.Digest), req.Digest)
		}
	}
	algorithm, err := sessionAlgorithm(r, req)
	if err != nil {
		return err
	}
	if req.Action == access.MountBlob {
		if err := a.authorizeUpload(r.Context(), req); err != nil {
			return err
		}
	}
	upload, err := a.Uploads.StartUpload(r.Context(), req.Namespace, algorithm, req.By())
	if err != nil {
		return err
	}
	if req.Action == access.StartUpload && !req.Digest.IsZero() {
		return a.pushWhole(w, r, req, upload.ID)
	}
	return a.progress(w, http.StatusAccepted, req.Namespace, upload)
}

// mount gives the namespace a blob of another one. Without from it looks in the namespace itself alone: to
// search the others would tell the client what they hold.
func (a *API) mount(ctx context.Context, req *router.Request) (bool, error) {
	var err error
	if req.From.IsZero() {
		_, err = a.Blobs.StatBlob(ctx, req.Namespace, req.Digest)
	} else {
		err = a.Content.MountBlob(ctx, req.Namespace, req.From, req.Digest)
	}
	if errors.Is(err, registry.ErrBlobUnknown) {
		return false, nil
	}
	return err == nil, err
}

// sessionAlgorithm is what the bytes are hashed with while they arrive: that of the digest if it is
// known already, else what the client announces.
func sessionAlgorithm(r *http.Request, req *router.Request) (oci.Algorithm, error) {
	if !req.Digest.IsZero() {
		return req.Digest.Algorithm(), nil
	}
	if r.URL.RawQuery == "" {
		return oci.SHA256, nil
	}
	if name := r.URL.Query().Get("digest-algorithm"); name != "" {
		return oci.ParseAlgorithm(name)
	}
	return oci.SHA256, nil
}

// pushWhole takes the blob that came with the POST. If that fails the session is ended, because the client does
// not know its id.
func (a *API) pushWhole(w *router.Response, r *http.Request, req *router.Request, id string) error {
	err := a.Uploads.CompleteUpload(r.Context(), req.Namespace, id, registry.Chunk{Body: r.Body, Start: -1, Wait: w.Wait}, req.Digest)
	if err != nil {
		cancelErr := a.Uploads.CancelUpload(context.WithoutCancel(r.Context()), req.Namespace, id, w.Wait)
		if errors.Is(cancelErr, registry.ErrUploadUnknown) {
			return err // it ended itself
		}
		return errors.Join(err, cancelErr)
	}
	return created(w, a.blobPath(req.Namespace, req.Digest), req.Digest)
}

// getUpload says how far a session is.
func (a *API) getUpload(w *router.Response, r *http.Request, req *router.Request) error {
	upload, err := a.Uploads.UploadStatus(r.Context(), req.Namespace, req.SessionID)
	if err != nil {
		return err
	}
	return a.progress(w, http.StatusNoContent, req.Namespace, upload)
}

// updateUpload answers PATCH: a chunk at an offset, or a stream.
func (a *API) updateUpload(w *router.Response, r *http.Request, req *router.Request) error {
	chunk, err := chunkOf(w, r)
	if err != nil {
		return err
	}
	upload, err := a.Uploads.AppendUpload(r.Context(), req.Namespace, req.SessionID, chunk)
	if errors.Is(err, registry.ErrUploadUnknown) {
		return err // without a Location: there is no session to continue, or none that the client may know of
	}
	if err != nil {
		w.Set("Location", a.uploadPath(req.Namespace, req.SessionID))
		return err
	}
	return a.progress(w, http.StatusAccepted, req.Namespace, upload)
}

// completeUpload answers PUT: the last chunk, if any, and the digest of all.
func (a *API) completeUpload(w *router.Response, r *http.Request, req *router.Request) error {
	chunk, err := chunkOf(w, r)
	if err != nil {
		return err
	}
	if r.ContentLength == 0 {
		chunk.Body = nil
	}
	if err := a.Uploads.CompleteUpload(r.Context(), req.Namespace, req.SessionID, chunk, req.Digest); err != nil {
		return err
	}
	return created(w, a.blobPath(req.Namespace, req.Digest), req.Digest)
}

// cancelUpload ends a session.
func (a *API) cancelUpload(w *router.Response, r *http.Request, req *router.Request) error {
	if err := a.Uploads.CancelUpload(r.Context(), req.Namespace, req.SessionID, w.Wait); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// chunkOf reads where a body begins, and checks that it is as long as its Content-Range says.
func chunkOf(w *router.Response, r *http.Request) (registry.Chunk, error) {
	chunk := registry.Chunk{Body: r.Body, Start: -1, Wait: w.Wait}
	header := r.Header.Get("Content-Range")
	if header == "" {
		return chunk, nil
	}
	first, last, ok := parseContentRange(header)
	if !ok {
		return chunk, fmt.Errorf("%w, got %.60q", errContent, header)
	}
	if length := last - first + 1; r.ContentLength >= 0 && r.ContentLength != length {
		return chunk, fmt.Errorf("%w: Content-Range has %d bytes, Content-Length %d", errBodyLength, length, r.ContentLength)
	}
	chunk.Start = first
	return chunk, nil
}

// progress says where a session is and how much it holds.
func (a *API) progress(w *router.Response, status int, ns oci.Name, upload registry.Upload) error {
	header := w.Header()
	w.Set("Docker-Upload-Uuid", upload.ID)
	header["Oci-Chunk-Min-Length"] = minChunk
	w.Set("Location", a.uploadPath(ns, upload.ID))
	setRange(header, upload.Size)
	if status != http.StatusNoContent {
		header["Content-Length"] = zeroLength
	}
	w.WriteHeader(status)
	return nil
}

// created says where content lies now, and under which digest.
func created(w *router.Response, location string, d oci.Digest) error {
	header := w.Header()
	w.Set("Docker-Content-Digest", d.String())
	w.Set("Location", location)
	header["Content-Length"] = zeroLength
	w.WriteHeader(http.StatusCreated)
	return nil
}

// Locations have no host, so that any proxy in front works, but the path of the external URL.

func (a *API) blobPath(ns oci.Name, d oci.Digest) string {
	return a.path + "/v2/" + ns.String() + "/blobs/" + d.String()
}

func (a *API) uploadPath(ns oci.Name, id string) string {
	return a.path + "/v2/" + ns.String() + "/blobs/uploads/" + id
}

func (a *API) manifestPath(ns oci.Name, d oci.Digest) string {
	return a.path + "/v2/" + ns.String() + "/manifests/" + d.String()
}
