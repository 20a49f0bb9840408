package authz

import (
	"net/http"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
)

// neverAsked reports whether a request opens nothing that a policy could guard. What a listener serves
// beside the registry is guarded by the listener.
func neverAsked(q *access.Question) bool {
	switch q.Request.Action {
	case access.Metrics, access.Pprof:
		return q.Transport.Admin
	}
	return policy.NeverAsked(q.Request.Action)
}

// following is what a request amounts to beside itself: a POST that brings a whole blob also ends the
// upload, and a mount also pulls from its source. Webhooks are told the request that would do that
// alone.
func following(q access.Question) (access.Question, bool) {
	if source, ok := policy.Source(q.Request); ok {
		q.Request = source
		q.Transport.URI = "/v2/" + source.Namespace.String() + "/blobs/" + source.Digest.String()
		return q, true
	}
	if q.Request.Action == access.StartUpload && !q.Request.Digest.IsZero() {
		q.Request.Action = access.CompleteUpload
		return q, true
	}
	return q, false
}

// listTags is the question whether an entry of a listing may be shown. It is the one that a client
// puts by listing the tags there, so that what a webhook said to the one stands for the other.
func listTags(q access.Question, entry oci.Name) access.Question {
	q.Request = access.Request{Action: access.ListTags, Method: http.MethodGet, Namespace: entry}
	q.Transport.URI = "/v2/" + entry.String() + "/tags/list"
	return q
}

// AfterMount is the request that a mount becomes when there is nothing to mount: the begin of an
// upload. It is authorized anew.
func AfterMount(r access.Request) access.Request {
	return access.Request{Action: access.StartUpload, Method: r.Method, Namespace: r.Namespace}
}
