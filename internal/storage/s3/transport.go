package s3

import (
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/sreg-project/sreg/internal/outbound"
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

// transport does one attempt of a request. It follows no redirect: only the service itself is asked. An attempt
// ends when nothing moves for as long as patience says.
type transport struct{ *outbound.Transport }

// newTransport heeds AWS_CA_BUNDLE, which is the SDK's, unless there is another file.
func newTransport(sdk aws.HTTPClient, caFile string, patience func() time.Duration) (*transport, error) {
	settings, err := outbound.Files{CAFile: caFile}.Load()
	if err != nil {
		return nil, err
	}
	buildable, ok := sdk.(*awshttp.BuildableClient)
	if ok && caFile == "" && buildable.GetTransport().TLSClientConfig != nil {
		settings.RootCAs = buildable.GetTransport().TLSClientConfig.RootCAs
	}
	return &transport{outbound.NewTransport(outbound.Options{
		TLS: settings, Proxies: true, Connect: dialPatience, Stall: patience, Idle: idleConnections,
		HTTP1: true, // parts are large, and a dead connection takes one request
	})}, nil
}

func (t *transport) Do(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", "sreg")
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := notS3(req, resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if most, bounded := bound(resp); bounded {
		resp.Body = outbound.Limit(resp.Body, most)
	}
	return resp, nil
}

// plainHTTP is what Go's servers answer to plain HTTP where TLS is wanted. They close the connection, so that it
// need not arrive.
const plainHTTP = "HTTP request to an HTTPS server"

// notS3 tells whether an answer is a web page, or JSON, or a text: a proxy's, or another service's. In an
// outage the proxy before a service says so in such a page, and that is for 5xx.
func notS3(req *http.Request, resp *http.Response) error {
	if resp.StatusCode >= http.StatusInternalServerError {
		return nil
	}
	if resp.StatusCode == http.StatusBadRequest && !resp.ProtoAtLeast(1, 1) && len(resp.Header) == 0 {
		return &strangeAnswerError{status: resp.StatusCode, begins: plainHTTP} // by Go's own servers
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // what cannot be read is no kind
	failed := resp.StatusCode >= http.StatusBadRequest
	strange := kind == "text/html" || failed && (kind == "application/json" || kind == "text/plain")
	if !strange || (!failed && req.URL.Query().Has("response-content-type")) {
		return nil
	}
	begins, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // what cannot be read says nothing
	return &strangeAnswerError{status: resp.StatusCode, kind: kind, begins: string(begins)}
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
