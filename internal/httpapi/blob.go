package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"

	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/router"
)

// getBlob answers GET and HEAD (spec: Pulling blobs).
func (a *API) getBlob(w *router.Response, r *http.Request, req *router.Request) error {
	if r.Method == http.MethodHead {
		return a.headBlob(w, r, req)
	}
	blob, err := a.openBlob(r, req)
	if err != nil {
		return err
	}
	if blob.URL != "" {
		return redirect(w, req, blob.URL)
	}
	defer blob.Content.Close()
	if setBlob(w, r, req) {
		return nil
	}
	status, part := http.StatusOK, span{length: blob.Size}
	if r.Header["Range"] != nil {
		parts, err := requestedRanges(r, req.Digest, blob.Size, rangesOf(blob))
		if err != nil {
			w.Set("Content-Range", fmt.Sprintf("bytes */%d", blob.Size))
			return err
		}
		if len(parts) > 1 {
			return sendParts(w, blob, parts)
		}
		part = parts[0]
	}
	if part.partial {
		status = http.StatusPartialContent
		w.Set("Content-Range", part.contentRange(blob.Size))
	}
	w.Set("Content-Length", strconv.FormatInt(part.length, 10))
	w.WriteHeader(status)
	return sendPart(w, blob, part)
}

// bounded is content of a service: what is read of it is a request there, which names the end of the part.
type bounded interface{ Until(end int64) }

// rangesOf is how many ranges of a blob one request may ask for.
func rangesOf(blob registry.Blob) int {
	if _, ok := blob.Content.(bounded); ok {
		return maxServiceRanges
	}
	return maxRanges
}

// sendPart sends some of a blob.
func sendPart(w io.Writer, blob registry.Blob, part span) error {
	if part.partial {
		if _, err := blob.Content.Seek(part.start, io.SeekStart); err != nil {
			return fmt.Errorf("seek in blob: %w", err)
		}
		if content, ok := blob.Content.(bounded); ok {
			content.Until(part.start + part.length)
		}
	}
	// CopyN of an *os.File to the connection is one sendfile, if nothing on the way hides io.ReaderFrom.
	if _, err := io.CopyN(w, blob.Content, part.length); err != nil {
		return fmt.Errorf("send blob: %w", err)
	}
	return nil
}

// sendParts sends several parts of a blob (RFC 9110, 14.6: multipart/byteranges).
func sendParts(w *router.Response, blob registry.Blob, parts []span) error {
	var heads bytes.Buffer
	document := multipart.NewWriter(&heads)
	lengths := make([]int, len(parts)) // of the heads
	length, before := int64(0), 0
	for i, part := range parts {
		if _, err := document.CreatePart(textproto.MIMEHeader{
			"Content-Range": {part.contentRange(blob.Size)}, "Content-Type": octetStream,
		}); err != nil {
			return err
		}
		lengths[i], before = heads.Len()-before, heads.Len()
		length += part.length
	}
	if err := document.Close(); err != nil {
		return err
	}
	w.Set("Content-Type", "multipart/byteranges; boundary="+document.Boundary())
	w.Set("Content-Length", strconv.FormatInt(length+int64(heads.Len()), 10))
	w.WriteHeader(http.StatusPartialContent)
	for i, part := range parts {
		if _, err := w.Write(heads.Next(lengths[i])); err != nil {
			return fmt.Errorf("send blob: %w", err)
		}
		if err := sendPart(w, blob, part); err != nil {
			return err
		}
	}
	if _, err := w.Write(heads.Bytes()); err != nil {
		return fmt.Errorf("send blob: %w", err)
	}
	return nil
}

// openBlob finds a blob, or the URL to redirect the client to. A request for a range is not redirected, because
// S3 does not sign a Range header and does not know the digest in an If-Range; nor is one of HTTP/1.0, which has
// no 307, nor one of a client that has the blob already.
func (a *API) openBlob(r *http.Request, req *router.Request) (registry.Blob, error) {
	if r.Header.Get("Range") != "" || !r.ProtoAtLeast(1, 1) || notModified(r, req.Digest) {
		return a.Blobs.OpenBlob(r.Context(), req.Namespace, req.Digest)
	}
	return a.Blobs.LocateBlob(r.Context(), req.Namespace, req.Digest, req.SignIn.Until)
}

// redirect sends a client to a URL. Whoever has the URL can read the blob, so no cache may keep it.
func redirect(w *router.Response, req *router.Request, url string) error {
	header := w.Header()
	w.Set("Docker-Content-Digest", req.Digest.String())
	header["Cache-Control"] = noStore
	w.Set("Location", url)
	header["Content-Length"] = zeroLength
	w.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}

func (a *API) headBlob(w *router.Response, r *http.Request, req *router.Request) error {
	blob, err := a.Blobs.StatBlob(r.Context(), req.Namespace, req.Digest)
	if err != nil {
		return err
	}
	if setBlob(w, r, req) {
		return nil
	}
	w.Set("Content-Length", strconv.FormatInt(blob.Size, 10))
	w.WriteHeader(http.StatusOK)
	return nil
}

// setBlob writes the headers that GET and HEAD have in common. answered says that the client has the blob
// already and has been told so.
func setBlob(w *router.Response, r *http.Request, req *router.Request) (answered bool) {
	header := w.Header()
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
func (a *API) deleteBlob(w *router.Response, r *http.Request, req *router.Request) error {
	if err := a.Content.DeleteBlob(r.Context(), req.Namespace, req.Digest, req.By()); err != nil {
		return err
	}
	return accepted(w)
}

func accepted(w *router.Response) error {
	header := w.Header()
	header["Content-Length"] = zeroLength
	w.WriteHeader(http.StatusAccepted)
	return nil
}
