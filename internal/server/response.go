package server

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
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
)

// buffers has the copy buffers that are not in use. They hold nothing that anybody reads.
var buffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// response is an http.ResponseWriter that drops a client which moves no byte for a while. A file
// still goes to the socket by sendfile.
type response struct {
	http.ResponseWriter
	control http.ResponseController
	files   io.ReaderFrom // nil if the connection cannot send files
	stall   time.Duration
	writing *deadline
	own     deadline // of a request that has no connection to itself
	piece   io.LimitedReader
	body    body
}

// guard wraps w, and the body of r likewise.
func guard(w http.ResponseWriter, r *http.Request, stall time.Duration) *response {
	g := &response{ResponseWriter: w, control: *http.NewResponseController(w), stall: stall}
	if g.writing = deadlineOf(r); g.writing == nil {
		g.writing = &g.own
	}
	// Over TLS there is no sendfile, and bytes that are copied would share the deadline of a piece.
	if r.TLS == nil {
		g.files, _ = w.(io.ReaderFrom)
	}
	if r.Body == nil || r.Body == http.NoBody {
		return g
	}
	g.body = body{ReadCloser: r.Body, response: g}
	r.Body = &g.body
	// A body that no handler reads is left to net/http, which has no deadline of its own.
	g.body.extend()
	return g
}

// Unwrap gives http.ResponseController the way to the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
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
		return w.sendFile(limited)
	}
	return w.copyFrom(src)
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
	until := time.Now().Add(w.stall)
	if until.Sub(w.writing.until) > w.stall/slack {
		w.writing.until = until
		_ = w.control.SetWriteDeadline(until) // only a connection that a test made has none
	}
}

// deadline is until when the next write must be done. A connection of HTTP/1.1, whose requests come one
// after the other, has one for all of them: what a request set holds for the next one while it is far
// enough away, because to move it costs as much as a small answer does.
type deadline struct{ until time.Time }

// withDeadline gives a connection its deadline. It rides in the context, because net/http shows a handler
// nothing else of a connection.
func withDeadline(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, deadlineKey{}, new(deadline))
}

type deadlineKey struct{}

// deadlineOf is that of the connection, nil if its requests do not come one after the other.
func deadlineOf(r *http.Request) *deadline {
	if r.ProtoMajor != 1 {
		return nil
	}
	d, _ := r.Context().Value(deadlineKey{}).(*deadline)
	return d
}

// body is a request's body whose reads have a deadline each.
type body struct {
	io.ReadCloser
	response *response
	until    time.Time // the deadline for reading
}

// Read reads a part of the body. At its end the deadline goes: the server watches the connection
// from then on, and would take its passing for a client that left.
func (b *body) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.until = time.Time{}
		_ = b.response.control.SetReadDeadline(b.until)
	}
	return n, err
}

func (b *body) extend() {
	until := time.Now().Add(b.response.stall)
	if until.Sub(b.until) > b.response.stall/slack {
		b.until = until
		_ = b.response.control.SetReadDeadline(until)
	}
}
