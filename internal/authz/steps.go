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

// following is the other request that a request includes. Webhooks are told of it as if a client had sent it.
func following(q access.Question) (access.Question, bool) {
	next, ok := policy.Following(q.Request)
	if ok && next.Action == access.GetBlob {
		q.Transport.URI = "/v2/" + next.Namespace.String() + "/blobs/" + next.Digest.String()
	}
	q.Request = next
	return q, ok
}

// listTags is the question whether an entry of a listing may be shown: the same that is asked when the client
// lists the tags there, so that they share what is remembered of a webhook's answers.
func listTags(q access.Question, entry oci.Name) access.Question {
	q.Request = access.Request{Action: access.ListTags, Method: http.MethodGet, Namespace: entry}
	q.Transport.URI = "/v2/" + entry.String() + "/tags/list"
	q.Scope = nil // a token that is for the listing is for its entries
	return q
}
