package events

import "time"

// cloudEventsType is the media type of one event in structured JSON (CloudEvents 1.0, HTTP binding, section 3.2).
const cloudEventsType = "application/cloudevents+json; charset=utf-8"

// cloudEventsPrefix begins the type of each event (CloudEvents 1.0, section 3.1: a reversed DNS name).
const cloudEventsPrefix = "io.github.sreg-project."

// cloudEvent is an event as CloudEvents 1.0 writes it (JSON format, section 3).
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"` // never an empty text (section 3.1)
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            cloudData `json:"data"`
}

type cloudData struct {
	Kind      Kind   `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Tag       string `json:"tag,omitempty"`
	Digest    string `json:"digest,omitempty"`
	MediaType string `json:"mediaType,omitempty"`
	Size      int64  `json:"size,omitempty"`
	Actor     string `json:"actor,omitempty"`
	RequestID string `json:"requestId,omitempty"`
}

func cloudEventOf(e Event, source string) cloudEvent {
	return cloudEvent{
		SpecVersion:     "1.0",
		ID:              e.ID,
		Source:          source,
		Type:            cloudEventsPrefix + string(e.Kind),
		Subject:         e.subject(),
		Time:            e.Time,
		DataContentType: "application/json",
		Data: cloudData{
			Kind: e.Kind, Namespace: e.Namespace, Tag: e.Tag, Digest: e.Digest,
			MediaType: e.MediaType, Size: e.Size, Actor: e.Actor, RequestID: e.RequestID,
		},
	}
}
