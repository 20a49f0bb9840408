package router

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
)

// Response counts what is written. It hands io.ReaderFrom on, because a copy from a file to a connection is
// one sendfile only if nothing on the way hides it.
type Response struct {
	http.ResponseWriter
	Status int // 0 until the header is written

	readFrom io.ReaderFrom // nil if the writer below has none
	tls      bool
	bytes    int64
	gone     bool // the client does not take what is written
	body     body // what is read of the request

	// values are the header values that Set has given out: one allocation for all of them.
	values [8]string
	used   int
}

func (w *Response) begin(to http.ResponseWriter, r *http.Request, bodies *atomic.Int64) {
	w.ResponseWriter = to
	w.readFrom, _ = to.(io.ReaderFrom)
	w.tls = r.TLS != nil
	w.body.from, w.body.length, w.body.kept = r.Body, r.ContentLength, bodies
	r.Body = &w.body
}

// Set makes a header have one value. The name is in canonical form.
func (w *Response) Set(name, value string) {
	if w.used == len(w.values) {
		w.Header()[name] = []string{value}
		return
	}
	w.values[w.used] = value
	w.used++
	w.Header()[name] = w.values[w.used-1 : w.used : w.used]
}

func (w *Response) setAll(fields []HeaderField) {
	header := w.Header()
	for i := range fields {
		header[fields[i].Name] = fields[i].Value
	}
}

// Wait waits for other requests, without a place among those that are worked on.
func (w *Response) Wait(wait func() error) (err error) {
	lender, ok := w.ResponseWriter.(interface{ Wait(wait func()) })
	if !ok {
		return wait()
	}
	lender.Wait(func() { err = wait() })
	return err
}

// Unwrap is for http.ResponseController.
func (w *Response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader writes the header.
func (w *Response) WriteHeader(status int) {
	if w.Status == 0 {
		w.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (w *Response) Write(p []byte) (int, error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	// All other errors are those of the connection.
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) && !errors.Is(err, http.ErrContentLength) {
		w.gone = true
	}
	return n, err
}

// ReadFrom copies from src by the best way that the connection has.
func (w *Response) ReadFrom(src io.Reader) (n int64, err error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	if w.readFrom == nil {
		// Write counts.
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	if w.sendsFile(src) {
		n, err = w.readFrom.ReadFrom(src)
		w.gone = w.gone || connectionBroke(err)
	} else {
		from := &source{Reader: src}
		n, err = w.readFrom.ReadFrom(from)
		w.gone = w.gone || err != nil && !from.broke
	}
	w.bytes += n
	return n, err
}

// sendsFile says that src can go out by sendfile, which takes a file and nothing around it but a limit.
// Over TLS there is none.
func (w *Response) sendsFile(src io.Reader) bool {
	if limited, ok := src.(*io.LimitedReader); ok {
		src = limited.R
	}
	_, isFile := src.(*os.File)
	return isFile && !w.tls
}

// connectionBroke tells an error of the connection from one of the file that was sent into it: sendfile has
// one error for both.
func connectionBroke(err error) bool {
	for _, of := range []error{syscall.EPIPE, syscall.ECONNRESET, syscall.ETIMEDOUT, os.ErrDeadlineExceeded, net.ErrClosed} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// source remembers whether it was the reading that broke.
type source struct {
	io.Reader
	broke bool
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.broke = true
	}
	return n, err
}
