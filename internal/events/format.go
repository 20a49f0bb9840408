package events

import (
	"encoding/json"
	"fmt"
)

// Format is how an event is written for an endpoint.
type Format string

// The formats.
const (
	CloudEvents Format = "cloudevents" // CloudEvents 1.0, structured JSON
	Docker      Format = "docker"      // the notifications of the Docker registry
)

// Message is an event as it is sent.
type Message struct {
	ContentType string
	Body        []byte
}

// Encode writes an event for an endpoint. The source is the address of this registry. The same event makes the same message, byte
// for byte.
func (f Format) Encode(e Event, source string) (Message, error) {
	e.Time = e.Time.UTC()
	var m Message
	var document any
	switch f {
	case CloudEvents:
		m.ContentType, document = cloudEventsType, cloudEventOf(e, source)
	case Docker:
		m.ContentType, document = dockerType, dockerEnvelopeOf(e, source)
	default:
		return Message{}, fmt.Errorf("encode event %s: no format %q", e.ID, f)
	}
	body, err := json.Marshal(document)
	if err != nil {
		return Message{}, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	m.Body = body
	return m, nil
}
