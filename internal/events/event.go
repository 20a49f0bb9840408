// Package events tells endpoints of the operator what happened in the registry.
// It promises that an event keeps its id however often it is sent, in whichever format, and that whoever has the key of
// an endpoint can check that a message came from here.
// It must not know how content is stored, nor which part of the registry an event came from.
package events

import (
	"crypto/rand"
	"time"
)

// Kind is what happened.
type Kind string

// The kinds of events.
const (
	Push    Kind = "push"    // a manifest was stored
	Tag     Kind = "tag"     // a tag names another manifest than before
	Delete  Kind = "delete"  // a client or retention removed a manifest or a tag
	Restore Kind = "restore" // what was deleted is back
	Collect Kind = "collect" // the collector destroyed content that nothing needs
	Pull    Kind = "pull"    // a manifest was read
)

// Event is one thing that happened. What an event does not have is the zero value.
type Event struct {
	// ID is NewID's: no other event has it, and the event keeps it when it is sent again.
	ID   string
	Time time.Time
	Kind Kind
	// Namespace is the OCI repository name.
	Namespace string
	Tag       string
	Digest    string
	MediaType string
	// Size is that of the manifest, or of the blob that was destroyed.
	Size int64
	// Actor is who did it, empty for anybody.
	Actor string
	// RequestID is the id of the HTTP request, empty for what no request did.
	RequestID string
}

// NewID makes the id of one event.
func NewID() string { return rand.Text() }

// subject names what the event is about: namespace, namespace:tag, namespace@digest, namespace:tag@digest, or the
// digest of what is in no namespace.
func (e Event) subject() string {
	if e.Namespace == "" {
		return e.Digest
	}
	subject := e.Namespace
	if e.Tag != "" {
		subject += ":" + e.Tag
	}
	if e.Digest != "" {
		subject += "@" + e.Digest
	}
	return subject
}
