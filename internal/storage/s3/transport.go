package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	// idleConnections are kept to the service: every request of a busy registry asks it something, and
	// Go's own two would be closed and opened all the time.
	idleConnections = 100
	// dialPatience is how long a connection may take to come about. A host that is not there at all
	// does not answer, and shall not cost a whole attempt.
	dialPatience = 5 * time.Second
	// maxErrorBody bounds what is read of an answer that is no object.
	maxErrorBody = 1 << 20
	// maxListing bounds what is read of an answer in XML: a page of 1,000 keys is the largest.
	maxListing = 16 << 20
)

// patienceError says that the service let an attempt wait for too long.
type patienceError struct{ waited time.Duration }

func (e *patienceError) Error() string { return fmt.Sprintf("no answer for %s", e.waited) }

// Timeout makes it a net.Error in the eyes of whoever retries.
func (e *patienceError) Timeout() bool { return true }

// Temporary is the other half of a net.Error.
func (e *patienceError) Temporary() bool { return true }

// transport does one attempt of a request. It follows no redirect: what a service says elsewhere is not
// its word. An attempt ends when nothing moves for as long as patience says, be it the way there, the
// answer, or the body of the answer while somebody reads it.
type transport struct {
	http     *http.Transport
	patience func() time.Duration
}

// newTransport begins with what the SDK's own client would be, which heeds AWS_CA_BUNDLE and the
// environment's proxies.
func newTransport(from aws.HTTPClient, caFile string, patience func() time.Duration) (*transport, error) {
	buildable, ok := from.(*awshttp.BuildableClient)
	if !ok {
		buildable = awshttp.NewBuildableClient()
	}
	tr := buildable.GetTransport()
	if tr.TLSClientConfig == nil {
		tr.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if caFile != "" {
		pool, err := readCAs(caFile)
		if err != nil {
			return nil, err
		}
		tr.TLSClientConfig.RootCAs = pool
	}
	dialer := &net.Dialer{Timeout: dialPatience, KeepAlive: 30 * time.Second}
	tr.DialContext = dialer.DialContext
	tr.TLSHandshakeTimeout = 2 * dialPatience
	tr.MaxIdleConns, tr.MaxIdleConnsPerHost = 0, idleConnections
	tr.MaxConnsPerHost = 0
	tr.DisableCompression = true // an object is what it is
	// Many connections beat many streams on one: parts are large, and a dead connection takes one request.
	tr.ForceAttemptHTTP2 = false
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP1(true)
	return &transport{http: tr, patience: patience}, nil
}

func readCAs(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}

// Do is for the SDK.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	patience := t.patience()
	watch := newWatch(patience, func() { cancel(&patienceError{patience}) })
	req = req.WithContext(ctx)
	req.Header.Set("User-Agent", "sreg")
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sending{req.Body, watch}
	}
	resp, err := t.http.RoundTrip(req)
	watch.end()
	if err != nil {
		cancel(nil)
		return nil, because(ctx, err)
	}
	resp.Body = &receiving{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, patience: patience}
	if err := notS3(req, resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if most, bounded := bound(resp); bounded {
		resp.Body = &boundedBody{resp.Body, most}
	}
	return resp, nil
}

// because puts the reason why an attempt was ended in place of context.Canceled.
func because(ctx context.Context, err error) error {
	var impatient *patienceError
	if errors.As(context.Cause(ctx), &impatient) {
		return impatient
	}
	return err
}

// bound tells how much of an answer is read at most: all of an object, little of everything else.
func bound(resp *http.Response) (most int64, bounded bool) {
	if resp.StatusCode >= http.StatusMultipleChoices {
		return maxErrorBody, true
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/xml" || kind == "text/xml" {
		return maxListing, true
	}
	return 0, false
}

// watch ends something when nothing moves.
type watch struct {
	patience time.Duration

	mu    sync.Mutex // guards the rest
	timer *time.Timer
	over  bool
}

func newWatch(patience time.Duration, end func()) *watch {
	return &watch{patience: patience, timer: time.AfterFunc(patience, end)}
}

// moved begins the wait anew.
func (w *watch) moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.timer.Reset(w.patience)
	}
}

// end is called when the wait is over: a body that is still read afterwards begins no other one.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// sending is the body of a request: each piece of it that goes out is a move.
type sending struct {
	io.ReadCloser
	watch *watch
}

func (s *sending) Read(p []byte) (int, error) {
	s.watch.moved()
	return s.ReadCloser.Read(p)
}

// receiving is the body of an answer. Only while somebody waits for bytes may their absence end it: who
// sends them on to a slow client reads slowly, and that is not the service's fault.
type receiving struct {
	io.ReadCloser
	ctx      context.Context
	cancel   context.CancelCauseFunc
	patience time.Duration
	timer    *time.Timer
}

func (r *receiving) Read(p []byte) (int, error) {
	if r.timer == nil {
		r.timer = time.AfterFunc(r.patience, func() { r.cancel(&patienceError{r.patience}) })
	} else {
		r.timer.Reset(r.patience)
	}
	n, err := r.ReadCloser.Read(p)
	r.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = because(r.ctx, err)
	}
	return n, err
}

func (r *receiving) Close() error {
	err := r.ReadCloser.Close()
	r.cancel(nil)
	return err
}

// lasting is a body that ends the time of its request when it is closed.
type lasting struct {
	io.ReadCloser
	end context.CancelCauseFunc
}

func (l *lasting) Close() error {
	err := l.ReadCloser.Close()
	l.end(nil)
	return err
}

// boundedBody fails behind the bytes that it has left.
type boundedBody struct {
	io.ReadCloser
	left int64
}

var errTooLong = errors.New("the answer of the service is too long")

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
