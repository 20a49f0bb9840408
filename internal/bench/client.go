package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// clientTimeout bounds the life of a connection, and with it every round.
const clientTimeout = 5 * time.Minute

// readBuffer is for large bodies; small ones fit into the buffered reader.
const readBuffer = 256 << 10

// client is one kept-alive connection. It does what HTTP/1.1 asks of a client here and no more: on
// a machine that runs both sides, what the client costs hides what the server does. It is used by
// one goroutine at a time.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	buf  []byte // where bodies that nobody wants go
}

// request is made once and may be sent often.
type request struct {
	head []byte
	body [][]byte
	want int  // the status that says it worked
	bare bool // the answer to HEAD has no body, whatever its length says
}

// response is what the bench needs of an answer; the body was read.
type response struct {
	location string
	digest   string
	length   int64
	chunked  bool
	closes   bool
	status   int
}

// accept is what clients send; some registries hide an OCI manifest from those that do not.
const accept = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json\r\n"

func get(path string) request {
	return request{head: head("GET", path, accept), want: http.StatusOK}
}

func headOf(path string) request {
	return request{head: head("HEAD", path, accept), want: http.StatusOK, bare: true}
}

func deleteOf(path string) request {
	return request{head: head("DELETE", path, ""), want: http.StatusAccepted}
}

// post asks for something without sending any.
func post(path string, want int) request {
	return request{head: head("POST", path, "Content-Length: 0\r\n"), want: want}
}

// put sends the parts of a body one behind the other.
func put(path, mediaType string, parts ...[]byte) request {
	length := 0
	for _, p := range parts {
		length += len(p)
	}
	headers := "Content-Type: " + mediaType + "\r\nContent-Length: " + strconv.Itoa(length) + "\r\n"
	return request{head: head("PUT", path, headers), body: parts, want: http.StatusCreated}
}

func head(method, path, headers string) []byte {
	return []byte(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n")
}

func dial(addr string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, clientTimeout)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(clientTimeout)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), buf: make([]byte, readBuffer)}, nil
}

func (c *client) close() { _ = c.conn.Close() } // everything that matters was read

// do sends a request and reads the answer: into body, or nowhere when that is nil. An answer with
// another status than the wanted one is an error that quotes it.
func (c *client) do(req request, body *bytes.Buffer) (response, error) {
	if err := c.send(req); err != nil {
		return response{}, fmt.Errorf("%s: %w", req.line(), err)
	}
	res, err := c.readHead()
	if err != nil {
		return response{}, fmt.Errorf("%s: %w", req.line(), err)
	}
	failed := res.status != req.want
	if failed && body == nil {
		body = &bytes.Buffer{}
	}
	if !req.bare {
		if err := c.readBody(res, body); err != nil {
			return response{}, fmt.Errorf("%s: read body: %w", req.line(), err)
		}
	}
	if failed {
		return response{}, fmt.Errorf("%s: want status %d, got %d: %.300s", req.line(), req.want, res.status, body)
	}
	if res.closes {
		return response{}, fmt.Errorf("%s: the server closes the connection", req.line())
	}
	return res, nil
}

func (c *client) send(req request) error {
	if len(req.body) == 0 {
		_, err := c.conn.Write(req.head)
		return err
	}
	parts := append(net.Buffers{req.head}, req.body...)
	_, err := parts.WriteTo(c.conn)
	return err
}

// line is the request line, for errors.
func (r request) line() string {
	line, _, _ := bytes.Cut(r.head, []byte(" HTTP/1.1\r\n"))
	return string(line)
}

func (c *client) readHead() (response, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return response{}, err
	}
	res := response{}
	if res.status, err = parseStatusLine(line); err != nil {
		return response{}, err
	}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return response{}, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return res, nil
		}
		if err := res.header(line); err != nil {
			return response{}, err
		}
	}
}

func parseStatusLine(line []byte) (int, error) {
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("read status line: got %q", line)
	}
	return strconv.Atoi(string(line[9:12]))
}

func (r *response) header(line []byte) error {
	key, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	var err error
	switch {
	case equalFold(key, "Content-Length"):
		r.length, err = strconv.ParseInt(string(value), 10, 64)
	case equalFold(key, "Transfer-Encoding"):
		r.chunked = equalFold(value, "chunked")
	case equalFold(key, "Connection"):
		r.closes = equalFold(value, "close")
	case equalFold(key, "Location"):
		r.location, err = localPath(string(value))
	case equalFold(key, "Docker-Content-Digest"):
		r.digest = string(value)
	}
	return err
}

// equalFold compares lengths first, which spares the common path a walk over each header.
func equalFold(got []byte, want string) bool {
	return len(got) == len(want) && strings.EqualFold(string(got), want)
}

// localPath strips the scheme and the host that some servers put in front of their locations.
func localPath(location string) (string, error) {
	u, err := url.Parse(location)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

func (c *client) readBody(res response, body *bytes.Buffer) error {
	if res.chunked {
		return c.readChunks(body)
	}
	if body != nil {
		_, err := io.CopyN(body, c.in, res.length)
		return err
	}
	for left := res.length; left > 0; {
		n, err := c.in.Read(c.buf[:min(int64(len(c.buf)), left)])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

func (c *client) readChunks(body *bytes.Buffer) error {
	var into io.Writer = io.Discard
	if body != nil {
		into = body
	}
	if _, err := io.Copy(into, httputil.NewChunkedReader(c.in)); err != nil {
		return err
	}
	_, err := c.in.ReadSlice('\n') // the empty line behind the last chunk
	return err
}
