package server

import (
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// pieceSize is how much of a file goes out under one deadline.
	pieceSize = 1 << 20
	// copySize is the size of the buffers for what cannot be sent as a file.
	copySize = 32 << 10
	// slack is the share of the stall time for which a deadline is left as it is, because moving
	// it for every small write costs more than the write.
	slack = 16
	// shortAnswer is what net/http keeps until the handler has returned, so that nobody waits for the client.
	shortAnswer = 2 << 10
)

// buffers has the copy buffers that are not in use. They hold nothing that anybody reads.
var buffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// response is an http.ResponseWriter that drops a client which moves no byte for a while. A file
// still goes to the socket by sendfile.
type response struct {
	http.ResponseWriter
	control  http.ResponseController
	request  *http.Request
	files    io.ReaderFrom // nil if the connection cannot send files
	timeouts *Timeouts
	conn     *connState // nil if a test made the request
	writing  *deadline
	own      deadline // of a request that has no connection to itself
	piece    io.LimitedReader
	body     body
	slot     slot
	sent     int64 // by Write
}

// guard wraps w, and the body of r likewise.
func guard(w http.ResponseWriter, r *http.Request, timeouts *Timeouts) *response {
	g := &response{ResponseWriter: w, control: *http.NewResponseController(w), request: r, timeouts: timeouts}
	g.conn, _ = r.Context().Value(connKey{}).(*connState)
	g.writing = &g.own
	if g.conn != nil && r.ProtoMajor == 1 {
		g.writing = &g.conn.writing
	}
	// Over TLS there is no sendfile, and bytes that are copied would share the deadline of a piece.
	if r.TLS == nil {
		g.files, _ = w.(io.ReaderFrom)
	}
	if r.Body == nil || r.Body == http.NoBody {
		return g
	}
	g.body.begin(g, r.Body)
	r.Body = &g.body
	return g
}

// Wait waits for other requests, and lends its place meanwhile: they may be those of slow clients. The router finds it.
func (w *response) Wait(wait func()) {
	lent, begun := w.slot.lend(), time.Now()
	wait()
	if !w.body.end.IsZero() {
		w.body.end = w.body.end.Add(time.Since(begun)) // the client did not wait for this
	}
	if lent {
		w.slot.takeBack(w.request.Context())
	}
}

// Unwrap gives http.ResponseController the way to the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	w.lengthen(int64(len(p)))
	w.sent += int64(len(p))
	w.extend()
	return w.ResponseWriter.Write(p)
}

func (w *response) Flush() {
	w.extend()
	_ = w.control.Flush() // a connection that is broken shows at the next write
}

// ReadFrom writes all of src. A file, or an *io.LimitedReader over one, goes out by sendfile: net
// looks one *io.LimitedReader deep, so each piece is a fresh one over the file itself.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	if _, isFile := limited.R.(*os.File); isFile && w.files != nil {
		w.slot.end()
		return w.sendFile(limited)
	}
	w.lengthen(limited.N)
	return w.copyFrom(src)
}

// lengthen ends the slot if the answer is no short one with n bytes more: then the client may be waited for.
func (w *response) lengthen(n int64) {
	if w.sent <= shortAnswer && n > shortAnswer-w.sent {
		w.slot.end()
	}
}

// sendFile sends piece by piece. A piece that ran into its deadline while bytes were moving goes on
// where it stopped: the client is slow, but not stalled.
func (w *response) sendFile(src *io.LimitedReader) (total int64, err error) {
	for src.N > 0 {
		size := min(src.N, pieceSize)
		w.piece = io.LimitedReader{R: src.R, N: size}
		w.extend()
		n, err := w.files.ReadFrom(&w.piece)
		taken := size - w.piece.N
		src.N -= taken
		total += n
		slow := errors.Is(err, os.ErrDeadlineExceeded) && n > 0 && n == taken
		switch {
		case slow:
			*w.writing = deadline{} // it has passed
		case err != nil:
			return total, err
		case w.piece.N > 0:
			return total, nil // the file ended
		}
	}
	return total, nil
}

// copyFrom has a deadline for each buffer, so that a slow client is not taken for a stalled one.
func (w *response) copyFrom(src io.Reader) (int64, error) {
	buffer := buffers.Get().(*[copySize]byte)
	defer buffers.Put(buffer)
	return io.CopyBuffer(writerOnly{w}, src, buffer[:])
}

// writerOnly hides ReadFrom, which io.CopyBuffer would call.
type writerOnly struct{ io.Writer }

// extend gives the next write its time.
func (w *response) extend() {
	stall := w.timeouts.Stall
	if stall <= 0 {
		return
	}
	until := time.Now().Add(stall)
	if until.Sub(w.writing.until) > stall/slack {
		w.writing.until = until
		_ = w.control.SetWriteDeadline(until) // only a connection that a test made has none
	}
}

// deadline is until when the next write must be done. A connection of HTTP/1.1, whose requests come one
// after the other, has one for all of them: what a request set holds for the next one while it is far
// enough away, because to move it costs as much as a small answer does.
type deadline struct{ until time.Time }
