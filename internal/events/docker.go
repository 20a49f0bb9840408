package events

import (
	"strings"
	"time"
)

// dockerType is the media type of the Docker registry's notifications.
const dockerType = "application/vnd.docker.distribution.events.v2+json"

// dockerEnvelope is what the Docker registry sends: a list, here always of one event.
type dockerEnvelope struct {
	Events []dockerEvent `json:"events"`
}

// dockerEvent has the fields of the Docker registry that sreg can fill. The objects are always there, because
// receivers look into them without asking.
type dockerEvent struct {
	ID        string        `json:"id"`
	Timestamp time.Time     `json:"timestamp"`
	Action    string        `json:"action"`
	Target    dockerTarget  `json:"target"`
	Request   dockerRequest `json:"request"`
	Actor     dockerActor   `json:"actor"`
	Source    dockerSource  `json:"source"`
}

type dockerTarget struct {
	MediaType  string `json:"mediaType,omitempty"`
	Digest     string `json:"digest,omitempty"`
	Size       int64  `json:"size,omitempty"`
	Length     int64  `json:"length,omitempty"` // the older name of size, which receivers still read
	Repository string `json:"repository,omitempty"`
	Tag        string `json:"tag,omitempty"`
}

type dockerRequest struct {
	ID string `json:"id,omitempty"`
}

type dockerActor struct {
	Name string `json:"name,omitempty"`
}

type dockerSource struct {
	Addr string `json:"addr,omitempty"`
}

func dockerEnvelopeOf(e Event, source string) dockerEnvelope {
	return dockerEnvelope{Events: []dockerEvent{{
		ID:        e.ID,
		Timestamp: e.Time,
		Action:    dockerAction(e.Kind),
		Target: dockerTarget{
			MediaType: e.MediaType, Digest: e.Digest, Size: e.Size, Length: e.Size,
			Repository: e.Namespace, Tag: e.Tag,
		},
		Request: dockerRequest{ID: e.RequestID},
		Actor:   dockerActor{Name: e.Actor},
		Source:  dockerSource{Addr: withoutScheme(source)},
	}}}
}

// withoutScheme leaves host and port of an address, which is what the Docker registry calls one.
func withoutScheme(address string) string {
	if _, rest, found := strings.Cut(address, "://"); found {
		return rest
	}
	return address
}

// dockerAction is the word of the Docker registry, which knows pull, push, mount and delete: what can be pulled from
// now on was pushed, and what cannot any more was deleted.
func dockerAction(kind Kind) string {
	switch kind {
	case Tag, Restore:
		return string(Push)
	case Collect:
		return string(Delete)
	default:
		return string(kind)
	}
}
