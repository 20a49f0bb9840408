package authz

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/webhook"
)

// document is the JSON that a webhook gets. Its names are those of the rules; what is absent is null,
// and lists are always there. Endpoints depend on the names: they may be added to, and never change.
type document struct {
	Identity identity `json:"identity"`
	Request  request  `json:"request"`
}

type identity struct {
	ID          *string     `json:"id"`
	Username    *string     `json:"username"`
	Groups      []string    `json:"groups"`
	ClientIP    *string     `json:"client_ip"`
	Certificate certificate `json:"certificate"`
	OIDC        *oidc       `json:"oidc"`
}

type certificate struct {
	CommonNames   []string `json:"common_names"`
	Organizations []string `json:"organizations"`
	DNSNames      []string `json:"dns_names"`
	Emails        []string `json:"emails"`
	URIs          []string `json:"uris"`
	IPs           []string `json:"ips"`
	Serial        *string  `json:"serial"`
	Fingerprint   *string  `json:"fingerprint"`
}

type oidc struct {
	Provider string         `json:"provider_name"`
	Subject  *string        `json:"subject"`
	Claims   map[string]any `json:"claims"`
}

type request struct {
	Action       access.Action `json:"action"`
	Method       string        `json:"method"`
	Namespace    *string       `json:"namespace"`
	Reference    *string       `json:"reference"`
	Digest       *string       `json:"digest"`
	Tags         []string      `json:"tags"`
	From         *string       `json:"from"`
	SessionID    *string       `json:"session_id"`
	ArtifactType *string       `json:"artifact_type"`
	N            *int          `json:"n"`
	Last         *string       `json:"last"`
}

// newDocument writes a question as JSON.
func newDocument(q *access.Question) ([]byte, error) {
	text, err := json.Marshal(document{Identity: newIdentity(q.Identity), Request: newRequest(q.Request)})
	if err != nil {
		return nil, fmt.Errorf("write the question: %w", err)
	}
	return text, nil
}

func newIdentity(i access.Identity) identity {
	out := identity{
		ID:       orNull(i.ID),
		Username: orNull(i.Username),
		Groups:   list(i.Groups),
		ClientIP: orNull(clientOf(i.ClientIP)),
		Certificate: certificate{
			CommonNames:   list(i.Certificate.CommonNames),
			Organizations: list(i.Certificate.Organizations),
			DNSNames:      list(i.Certificate.DNSNames),
			Emails:        list(i.Certificate.Emails),
			URIs:          list(i.Certificate.URIs),
			IPs:           list(i.Certificate.IPs),
			Serial:        orNull(i.Certificate.Serial),
			Fingerprint:   orNull(i.Certificate.Fingerprint),
		},
	}
	if i.OIDC != nil {
		out.OIDC = &oidc{Provider: i.OIDC.Provider, Subject: orNull(i.OIDC.Subject), Claims: i.OIDC.Claims}
	}
	return out
}

func newRequest(r access.Request) request {
	out := request{
		Action:       r.Action,
		Method:       r.Method,
		Namespace:    orNull(r.Namespace.String()),
		Reference:    orNull(r.Reference.String()),
		Digest:       orNull(r.Digest.String()),
		Tags:         tags(r.Tags),
		From:         orNull(r.From.String()),
		SessionID:    orNull(r.SessionID),
		ArtifactType: orNull(r.ArtifactType),
		Last:         orNull(r.Last),
	}
	if r.HasN {
		out.N = &r.N
	}
	return out
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

func tags(of []oci.Tag) []string {
	texts := make([]string, len(of))
	for i, tag := range of {
		texts[i] = tag.String()
	}
	return texts
}

// clientOf is an address as rules read it. One of IPv4 that came over IPv6 looks like every other.
func clientOf(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.Unmap().String()
}

// newFacts are the headers that a webhook of method get gets.
func newFacts(q *access.Question) []webhook.Fact {
	facts := []webhook.Fact{
		fact("X-Forwarded-Method", q.Request.Method),
		fact("X-Forwarded-Proto", q.Transport.Proto),
		fact("X-Forwarded-Host", q.Transport.Host),
		{Name: "X-Forwarded-Uri", Values: fact("", q.Transport.URI).Values, Escaped: true},
		fact("X-Forwarded-For", clientOf(q.Identity.ClientIP)),
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
