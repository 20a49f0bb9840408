package main_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// everything is a config that puts all there is between a socket and a blob: limits, the access log and
// metrics.
const everything = `
server:
  limits: {max_concurrent_requests: 8, queue: 8, queue_wait: 1s, connections_per_client: 8, requests_per_client: 8}
log: {access: {enabled: true}}
`

const (
	// sniffed is how much of a body net/http sends together with the header, in bytes.
	sniffed = 512
	// headRoom is what may go out by other calls than sendfile: headers, and what is sent with them.
	headRoom = 4096
)

// TestABlobGoesOutBySendfile pulls a blob, whole and in part, and counts by which calls its bytes go to the
// connection.
func TestABlobGoesOutBySendfile(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := serveConfigured(t, everything)
	w := newWire(t, s)
	blob := randomText(5<<20 + 17)
	if err := w.pushBlob(fresh, blob); err != nil {
		t.Fatal(err)
	}
	for _, pull := range []struct {
		name, bytes string
		want        string
	}{
		{"the whole", "", blob},
		{"a range in the middle", "bytes=1048570-3145800", blob[1048570:3145801]},
		{"from an offset to the end", "bytes=5000000-", blob[5000000:]},
		{"the last bytes", "bytes=-70000", blob[len(blob)-70000:]},
	} {
		sent := map[string]int64{} // bytes, by the name of the call
		for _, c := range s.watch(t, "sendfile,splice,write,writev,sendto,sendmsg", func() {
			got, err := w.blob(fresh, blob, pull.bytes)
			if err != nil || !bytes.Equal(got, []byte(pull.want)) {
				t.Errorf("%s: got %d bytes, %v, want %d", pull.name, len(got), err, len(pull.want))
			}
			// When the server answers the next request it has told strace of this one.
			if _, err := w.send(http.MethodGet, "/v2/", "", ""); err != nil {
				t.Error(err)
			}
		}) {
			if toClient(c) && c.result > 0 {
				sent[c.name] += c.result
			}
		}
		if sent["sendfile"] < int64(len(pull.want)-sniffed) {
			t.Errorf("%s: %d of %d bytes went out by sendfile: %v", pull.name, sent["sendfile"], len(pull.want), sent)
		}
		delete(sent, "sendfile")
		for call, n := range sent {
			if n > headRoom {
				t.Errorf("%s: %d bytes went out by %s, want no more than headers", pull.name, n, call)
			}
		}
	}
	if log := s.process.output(); !strings.Contains(log, "get-blob") {
		t.Errorf("the access log is not on:\n%s", log)
	}
}

// toClient says whether a call is one on a connection.
func toClient(c call) bool {
	descriptor, _, _ := strings.Cut(c.text, ",")
	return strings.Contains(descriptor, "<TCP:") || strings.Contains(descriptor, "<TCPv6:")
}

// blob pulls a blob, or the part of it that a Range header names.
func (w *wire) blob(ns oci.Name, content, part string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/v2/%s/blobs/%s", w.Base, ns, ocitest.DigestOf(content)), nil)
	if err != nil {
		return nil, err
	}
	if part != "" {
		req.Header.Set("Range", part)
	}
	res, err := w.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if want := map[bool]int{true: http.StatusOK, false: http.StatusPartialContent}[part == ""]; res.StatusCode != want {
		return nil, fmt.Errorf("got status %d, want %d", res.StatusCode, want)
	}
	return io.ReadAll(res.Body)
}

// TestABlobIsWholeOverTLS is the same over TLS, where the bytes have to be copied.
func TestABlobIsWholeOverTLS(t *testing.T) {
	t.Parallel()
	s, a := serveTLS(t, "127.0.0.1:0")
	ca, err := os.ReadFile(a.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	w := newWire(t, s)
	w.Base = "https://" + s.address
	w.HTTP.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	blob := randomText(5<<20 + 17)
	if err := w.pushBlob(fresh, blob); err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]string{"": blob, "bytes=1048570-3145800": blob[1048570:3145801]} {
		got, err := w.blob(fresh, blob, part)
		if err != nil || string(got) != want {
			t.Errorf("%q: got %d bytes, %v, want %d", part, len(got), err, len(want))
		}
	}
}
