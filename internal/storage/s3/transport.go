package s3

import (
	"context"
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

// Do is for the SDK.
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
