package authz

import (
	"encoding/json"
	"fmt"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/webhook"
)

// newDocument is the JSON that a webhook gets: the words of the rules, and the method. Endpoints depend on the names:
// they may be added to, and never change.
func newDocument(identity access.Identity, request access.Request) ([]byte, error) {
	document := policy.Document(identity, request)
	document["request"]["method"] = request.Method
	text, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("write the question: %w", err)
	}
	return text, nil
}

// newFacts are the headers that a webhook of method get gets.
func newFacts(q *access.Question) []webhook.Fact {
	facts := []webhook.Fact{
		fact("X-Forwarded-Method", q.Request.Method),
		fact("X-Forwarded-Proto", q.Transport.Proto),
		fact("X-Forwarded-Host", q.Transport.Host),
		{Name: "X-Forwarded-Uri", Values: fact("", q.Transport.URI).Values, Escaped: true},
		fact("X-Forwarded-For", q.Identity.Client()),
		fact("X-Registry-Action", string(q.Request.Action)),
		fact("X-Registry-Namespace", q.Request.Namespace.String()),
		fact("X-Registry-Reference", q.Request.Reference.String()),
		fact("X-Registry-Digest", q.Request.Digest.String()),
		fact("X-Registry-Username", q.Identity.Username),
		fact("X-Registry-Identity-ID", q.Identity.ID),
		{Name: "X-Registry-Certificate-CN", Values: q.Identity.Certificate.CommonNames},
		{Name: "X-Registry-Certificate-O", Values: q.Identity.Certificate.Organizations},
	}
	if q.Identity.OIDC != nil {
		facts = append(facts,
			fact("X-Registry-OIDC-Provider", q.Identity.OIDC.Provider),
			fact("X-Registry-OIDC-Subject", q.Identity.OIDC.Subject))
	}
	return facts
}

// fact is a fact of one value; an empty one is absent.
func fact(name, value string) webhook.Fact {
	if value == "" {
		return webhook.Fact{Name: name}
	}
	return webhook.Fact{Name: name, Values: []string{value}}
}
