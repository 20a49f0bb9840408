package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// getBlob answers GET and HEAD (spec: Pulling blobs).
func (a *API) getBlob(w *answer, r *http.Request, req *request) error {
	if r.Method == http.MethodHead {
		return a.headBlob(w, r, req)
	}
	blob, err := a.registry.OpenBlob(r.Context(), req.Namespace, req.Digest)
	if err != nil {
		return err
	}
	defer blob.Content.Close()
	if setBlob(w, r, req) {
		return nil
	}
	part, err := requestedRange(r, req.Digest, blob.Size)
	if err != nil {
		w.set("Content-Range", fmt.Sprintf("bytes */%d", blob.Size))
		return err
	}
	status := http.StatusOK
	if part.partial {
		status = http.StatusPartialContent
		w.set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", part.start, part.start+part.length-1, blob.Size))
		if _, err := blob.Content.Seek(part.start, io.SeekStart); err != nil {
			return fmt.Errorf("seek in blob: %w", err)
		}
	}
	w.set("Content-Length", strconv.FormatInt(part.length, 10))
	w.WriteHeader(status)
	// CopyN of an *os.File to the connection is one sendfile: nothing between here and there may
	// hide io.ReaderFrom.
	if _, err := io.CopyN(w, blob.Content, part.length); err != nil {
		return fmt.Errorf("send blob: %w", err)
	}
	return nil
}

func (a *API) headBlob(w *answer, r *http.Request, req *request) error {
	blob, err := a.registry.StatBlob(r.Context(), req.Namespace, req.Digest)
	if err != nil {
		return err
	}
	if setBlob(w, r, req) {
		return nil
	}
	w.set("Content-Length", strconv.FormatInt(blob.Size, 10))
	w.WriteHeader(http.StatusOK)
	return nil
}

// setBlob writes what GET and HEAD say alike. It reports that the client has the blob already, and
// then it has answered.
func setBlob(w *answer, r *http.Request, req *request) (answered bool) {
	header := w.Header()
	header["Docker-Distribution-Api-Version"] = apiVersion
	setDigest(w, req.Digest)
	header["Cache-Control"] = immutable
	if notModified(r, req.Digest) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	header["Content-Type"] = octetStream
	header["Accept-Ranges"] = bytesUnit
	return false
}

// deleteBlob takes a blob from its namespace (spec: Deleting blobs).
func (a *API) deleteBlob(w *answer, r *http.Request, req *request) error {
	if err := a.registry.DeleteBlob(r.Context(), req.Namespace, req.Digest, req.by()); err != nil {
		return err
	}
	return accepted(w)
}

func accepted(w *answer) error {
	header := w.Header()
	header["Docker-Distribution-Api-Version"] = apiVersion
	header["Content-Length"] = zeroLength
	w.WriteHeader(http.StatusAccepted)
	return nil
}
