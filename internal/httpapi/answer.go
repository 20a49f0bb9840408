package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// answer counts what is written. It hands io.ReaderFrom on, because a copy from a file to a
// connection is one sendfile only if nothing on the way hides it.
type answer struct {
	http.ResponseWriter
	readFrom io.ReaderFrom // nil if the writer below has none
	status   int
	bytes    int64
	body     body // what is read of the request

	// values are the header values that set has given out: one allocation for all of them.
	values [8]string
	used   int
}

func (a *answer) begin(w http.ResponseWriter, r *http.Request) {
	a.ResponseWriter = w
	a.readFrom, _ = w.(io.ReaderFrom)
	a.body.from, a.body.length = r.Body, r.ContentLength
	r.Body = &a.body
}

// set makes a header have one value. The name is in canonical form.
func (a *answer) set(name, value string) {
	if a.used == len(a.values) {
		a.Header()[name] = []string{value}
		return
	}
	a.values[a.used] = value
	a.used++
	a.Header()[name] = a.values[a.used-1 : a.used : a.used]
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// ReadFrom copies from src by the best way that the connection has.
func (a *answer) ReadFrom(src io.Reader) (n int64, err error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.readFrom != nil {
		n, err = a.readFrom.ReadFrom(src)
	} else {
		n, err = io.Copy(struct{ io.Writer }{a.ResponseWriter}, src)
	}
	a.bytes += n
	return n, err
}

// finish gives a status to a handler that wrote nothing.
func (a *answer) finish() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
}

// body counts what is read of a request. It gives its failures names of their own, so that a client
// which breaks off is never taken for a store that does.
type body struct {
	from   io.ReadCloser
	length int64 // that the headers say, -1 if they do not
	bytes  int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.bytes += int64(n)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errStalled
	}
	return n, fmt.Errorf("%w: %s", errBroken, err.Error())
}

// Remaining is how much the headers say is left.
func (b *body) Remaining() int64 {
	if b.length < 0 {
		return -1
	}
	return b.length - b.bytes
}

func (b *body) Close() error { return b.from.Close() }
