package registry

import (
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// sessionWait is how long a request waits for another one that writes to the same session.
const sessionWait = 5 * time.Second

// Upload says how far a session is.
type Upload struct {
	ID   string
	Size int64 // bytes received
}

// StartUpload begins a session (spec: Pushing blobs, POST). The bytes are hashed with the algorithm
// while they arrive.
func (r *Registry) StartUpload(ctx context.Context, ns oci.Name, algorithm oci.Algorithm, by string) (Upload, error) {
	if err := r.admitWrite(ns); err != nil {
		return Upload{}, err
	}
	label, err := json.Marshal(sessionLabel{Namespace: ns, Algorithm: algorithm, Begun: r.now().UTC(), By: by})
	if err != nil {
		return Upload{}, fmt.Errorf("start upload in %s: %w", ns, err)
	}
	id := newNonce()
	if err := r.blobs.CreateUpload(ctx, id, label); err != nil {
		return Upload{}, fmt.Errorf("start upload in %s: %w", ns, err)
	}
	r.state.sessions.Put(id, ns, 1)
	return Upload{ID: id}, nil
}

// UploadStatus says how many bytes a session holds.
func (r *Registry) UploadStatus(ctx context.Context, ns oci.Name, id string) (Upload, error) {
	if err := r.admit(ns); err != nil {
		return Upload{}, err
	}
	session, raw, err := r.blobs.StatUpload(ctx, id)
	if err != nil {
		return Upload{}, uploadError(ns, id, err)
	}
	if _, err := r.ownLabel(ns, id, raw); err != nil {
		return Upload{}, err
	}
	return Upload{ID: id, Size: session.Size}, nil
}

// Chunk is what one request adds to a session.
type Chunk struct {
	Body io.Reader
	// Start is the offset of the first byte, -1 if the client named none.
	Start int64
	// Wait, unless it is nil, runs what waits until another request has left the session: for seconds, if the client of
	// that one is slow.
	Wait Wait
}

// Wait runs a function that waits for other requests.
type Wait func(wait func() error) error

func (w Wait) run(wait func() error) error {
	if w == nil {
		return wait()
	}
	return w(wait)
}

// AppendUpload adds bytes to a session (spec: Pushing a blob in chunks, PATCH). What arrived before
// the body broke off is kept, and UploadStatus tells how much that is.
func (r *Registry) AppendUpload(ctx context.Context, ns oci.Name, id string, chunk Chunk) (Upload, error) {
	w, err := r.openUpload(ctx, ns, id, chunk.Wait)
	if err != nil {
		return Upload{}, err
	}
	defer w.close()
	if err = w.append(chunk); w.hash != nil {
		// Also after a body that broke off: what arrived is kept, and so is its hash.
		err = errors.Join(err, w.save())
	}
	return Upload{ID: id, Size: w.session.Size()}, lost(w.ctx, err)
}

// CompleteUpload adds the last bytes, if any, and makes the session a blob of the namespace (spec:
// PUT). Content that has another digest ends the session with ErrDigestMismatch.
func (r *Registry) CompleteUpload(ctx context.Context, ns oci.Name, id string, chunk Chunk, d oci.Digest) error {
	w, err := r.openUpload(ctx, ns, id, chunk.Wait)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.append(chunk); err != nil {
		return lost(w.ctx, err)
	}
	got, err := w.digest(d.Algorithm())
	if err != nil {
		return err
	}
	if got != d {
		mismatch := fmt.Errorf("%w: got %s, the request named %s", ErrDigestMismatch, got, d)
		return errors.Join(mismatch, w.session.Cancel(ctx))
	}
	return r.commit(ctx, ns, d, w.session)
}

// CancelUpload ends a session (spec: DELETE of an upload). It waits as Chunk.Wait says.
func (r *Registry) CancelUpload(ctx context.Context, ns oci.Name, id string, wait Wait) error {
	w, err := r.openUpload(ctx, ns, id, wait)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.session.Cancel(ctx); err != nil {
		return uploadError(ns, id, err)
	}
	return nil
}

// commit is the promise of an upload: the bytes, then the link that names them, then one more look
// at both. It is not necessary where the session kept collectors from the bytes.
func (r *Registry) commit(ctx context.Context, ns oci.Name, d oci.Digest, session storage.Upload) error {
	blob, err := session.Commit(ctx, blobKey(d))
	if err != nil {
		return fmt.Errorf("commit blob %s in %s: %w", d, ns, err)
	}
	if err := r.link(ctx, ns, d, blob.DataKey); err != nil {
		return fmt.Errorf("link blob %s in %s: %w", d, ns, err)
	}
	if blob.DataKey != "" {
		// What cannot be finished is looked at, and expires.
		if kept, err := session.Finish(ctx); err == nil && kept {
			return nil
		}
	}
	for range attempts {
		blob, err := r.blobs.Revive(ctx, blobKey(d))
		if errors.Is(err, storage.ErrNotExist) {
			// The session has ended, so the client has to send the bytes again.
			return fmt.Errorf("commit blob %s in %s: %w", d, ns, ErrUploadUnknown)
		}
		if err != nil {
			return fmt.Errorf("commit blob %s in %s: %w", d, ns, err)
		}
		err = r.reviveLink(ctx, ns, d, blob.DataKey)
		if !errors.Is(err, storage.ErrNotExist) {
			return err
		}
		if err := r.link(ctx, ns, d, blob.DataKey); err != nil {
			return fmt.Errorf("link blob %s in %s: %w", d, ns, err)
		}
	}
	return fmt.Errorf("commit blob %s in %s: %w", d, ns, ErrDisturbed)
}

// ExpireUploads ends the sessions whose time is over and removes what crashed writers left.
// It returns how many sessions it ended.
func (m *Maintenance) ExpireUploads(ctx context.Context) (ended int, err error) {
	for session, err := range m.Sessions(ctx) {
		if err != nil {
			return ended, err
		}
		if !session.Expired {
			continue
		}
		if err := m.EndSession(ctx, session); err != nil {
			return ended, err
		}
		ended++
	}
	_, err = m.SweepTemporary(ctx)
	return ended, err
}

func (r *core) expired(label sessionLabel) bool {
	return r.now().Sub(label.Begun) > r.config.UploadTTL
}

// ownLabel reads a session's label and hides the session from every other namespace.
func (r *Registry) ownLabel(ns oci.Name, id string, raw []byte) (sessionLabel, error) {
	label, err := readLabel(raw)
	if err == nil {
		r.state.sessions.Put(id, label.Namespace, 1)
	}
	if err != nil || label.Namespace != ns || r.expired(label) {
		return sessionLabel{}, fmt.Errorf("%w: %s in %s", ErrUploadUnknown, id, ns)
	}
	return label, nil
}

func readLabel(raw []byte) (label sessionLabel, err error) {
	if err := json.Unmarshal(raw, &label); err != nil {
		return label, fmt.Errorf("read upload label: %w", err)
	}
	return label, nil
}

func uploadError(ns oci.Name, id string, err error) error {
	switch {
	case errors.Is(err, storage.ErrNotExist):
		return fmt.Errorf("%w: %s in %s", ErrUploadUnknown, id, ns)
	case errors.Is(err, storage.ErrBusy):
		return fmt.Errorf("%w: %s in %s", ErrUploadBusy, id, ns)
	}
	return fmt.Errorf("upload %s in %s: %w", id, ns, err)
}

// uploadWriter is a session that one request holds, with the hash of what it contains.
type uploadWriter struct {
	ctx       context.Context // ends with the request, or with the lock
	session   storage.Upload
	unlock    func()
	algorithm oci.Algorithm
	limit     int64
	hash      hash.Hash // of all bytes of the session; nil until it is needed
}

// openUpload opens a session for one request: the lock makes requests of all instances wait in order, and the store
// itself keeps two writers apart. A session of another namespace must look like none, also by the time that it takes.
func (r *Registry) openUpload(ctx context.Context, ns oci.Name, id string, wait Wait) (*uploadWriter, error) {
	if err := r.admitWrite(ns); err != nil {
		return nil, err
	}
	if err := r.maySee(ctx, ns, id); err != nil {
		return nil, err
	}
	w := &uploadWriter{limit: int64(r.config.MaxBlobSize)}
	err := wait.run(func() (err error) {
		w.ctx, w.unlock, err = r.lockUpload(ctx, ns, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if w.session, err = r.blobs.OpenUpload(w.ctx, id); err != nil {
		w.unlock()
		return nil, uploadError(ns, id, lost(w.ctx, err))
	}
	label, err := r.ownLabel(ns, id, w.session.Label())
	if err != nil {
		w.close()
		return nil, err
	}
	w.algorithm = label.Algorithm
	return w, nil
}

// maySee fails if a session is known to be of another namespace, before anybody waits for it. This process remembers
// the namespaces of its sessions; the label of any other is read first. Not over a service, where that would be a
// request: whoever waits there waits for a request of this process, and for one of the same namespace.
func (r *Registry) maySee(ctx context.Context, ns oci.Name, id string) error {
	of, known := r.state.sessions.Get(id)
	switch {
	case known && of != ns:
		return fmt.Errorf("%w: %s in %s", ErrUploadUnknown, id, ns)
	case !known && !r.blobsAreService:
		_, err := r.UploadStatus(ctx, ns, id)
		return err
	}
	return nil
}

// lockUpload waits for the lock for a while, and holds it for as long as the request takes.
func (r *Registry) lockUpload(ctx context.Context, ns oci.Name, id string) (context.Context, func(), error) {
	ctx, cancel := context.WithCancelCause(ctx)
	patience := time.AfterFunc(sessionWait, func() { cancel(ErrUploadBusy) })
	held, unlock, err := r.locks.Lock(ctx, "upload/"+ns.String()+"/"+id)
	if err == nil && patience.Stop() {
		return held, func() { unlock(); cancel(nil) }, nil
	}
	if err == nil {
		unlock()
	}
	patience.Stop()
	err = errors.Join(err, context.Cause(ctx))
	cancel(nil)
	return nil, nil, fmt.Errorf("wait for upload %s: %w", id, err)
}

// lost marks an error that came of a lock which was lost while it was held: the client may try again, and is not the
// one who went away.
func lost(held context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(held), lock.ErrLost) {
		return fmt.Errorf("%w: %w: %w", ErrLocksUnavailable, lock.ErrLost, err)
	}
	return err
}

func (w *uploadWriter) close() {
	// What was acknowledged does not depend on the close.
	_ = w.session.Close()
	w.unlock()
}

// append reads the chunk's body to its end, hashing each byte once on its way to the store.
func (w *uploadWriter) append(chunk Chunk) error {
	size := w.session.Size()
	if chunk.Start >= 0 && chunk.Start != size {
		return &RangeError{Size: size}
	}
	if chunk.Body == nil {
		return nil
	}
	if err := w.restore(); err != nil {
		return err
	}
	body := &hashingReader{ctx: w.ctx, from: chunk.Body, hash: w.hash, left: w.limit - size}
	_, err := w.session.Append(w.ctx, body)
	if w.session.Size() != size+body.read {
		w.hash = nil // not all that was hashed was written
	}
	return err
}

// save keeps the hash beside the bytes, so that any process can go on.
func (w *uploadWriter) save() error {
	state, err := w.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fmt.Errorf("save hash state: %w", err)
	}
	return w.session.SaveState(w.ctx, state)
}

// restore loads the hash of what the session holds, or hashes it again if what was saved does not
// fit.
func (w *uploadWriter) restore() error {
	if w.hash != nil {
		return nil
	}
	h := w.algorithm.New()
	state := w.session.State()
	if state != nil && h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state) == nil {
		w.hash = h
		return nil
	}
	var err error
	w.hash, err = w.rehash(w.algorithm)
	return err
}

func (w *uploadWriter) rehash(algorithm oci.Algorithm) (hash.Hash, error) {
	h := algorithm.New()
	if w.session.Size() == 0 {
		return h, nil
	}
	content, err := w.session.Content(w.ctx)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	if _, err := io.Copy(h, content); err != nil {
		return nil, fmt.Errorf("hash upload: %w", err)
	}
	return h, nil
}

// digest is that of all bytes of the session. Another algorithm than the session's costs one more
// pass; a client avoids it by naming the algorithm when it starts the upload.
func (w *uploadWriter) digest(algorithm oci.Algorithm) (oci.Digest, error) {
	if algorithm != w.algorithm {
		h, err := w.rehash(algorithm)
		if err != nil {
			return oci.Digest{}, err
		}
		return oci.NewDigest(algorithm, h.Sum(nil)), nil
	}
	if err := w.restore(); err != nil {
		return oci.Digest{}, err
	}
	return oci.NewDigest(algorithm, w.hash.Sum(nil)), nil
}

// hashingReader hashes what is read through it and ends with ErrTooLarge past its limit.
type hashingReader struct {
	ctx  context.Context // when it ends so does the body, wherever it comes from
	from io.Reader
	hash hash.Hash
	left int64
	read int64
}

func (h *hashingReader) Read(p []byte) (int, error) {
	if err := h.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := h.from.Read(p)
	if int64(n) > h.left {
		return 0, ErrTooLarge
	}
	h.left -= int64(n)
	h.read += int64(n)
	h.hash.Write(p[:n])
	return n, err
}

// Remaining is for storage.Sized: what the client said, within the limit.
func (h *hashingReader) Remaining() int64 {
	if sized, ok := h.from.(storage.Sized); ok {
		return min(sized.Remaining(), h.left)
	}
	return -1
}
