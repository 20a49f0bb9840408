package gc

import (
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// Plan is what a run means to do, before it does anything.
type Plan struct {
	Tags     []PlannedTag    `json:"tags"`     // no rule of retention keeps them
	Uploads  []PlannedUpload `json:"uploads"`  // they have expired
	Revive   []Planned       `json:"revive"`   // condemned, and needed again
	Destroy  []Planned       `json:"destroy"`  // condemned for long enough
	Condemn  []Planned       `json:"condemn"`  // nothing needs them
	Waiting  Tally           `json:"waiting"`  // condemned, and not yet to be destroyed
	Young    Tally           `json:"young"`    // nothing needs it, and it is younger than gc.grace
	Trash    int64           `json:"trash"`    // what was removed and can be restored
	Restore  Tally           `json:"restore"`  // what was removed and can be restored no longer
	Finish   []Unfinished    `json:"finish"`   // what a delete that was killed left behind
	Totals   Totals          `json:"totals"`   // what is there
	Problems []string        `json:"problems"` // what could not be read: nothing is condemned nor destroyed

	drop    []trashEntry
	markers []registry.Marker
}

// Tally is a number of objects and their bytes.
type Tally struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (t *Tally) add(bytes int64) {
	t.Objects++
	t.Bytes += bytes
}

// Totals is what is live.
type Totals struct {
	Namespaces int64 `json:"namespaces"`
	Tags       int64 `json:"tags"`
	Manifests  int64 `json:"manifests"`
	Links      int64 `json:"links"`
	Blobs      int64 `json:"blobs"`
}

// PlannedTag is a tag that retention removes.
type PlannedTag struct {
	Namespace oci.Name   `json:"namespace"`
	Tag       string     `json:"tag"`
	Digest    oci.Digest `json:"digest"`
	Why       string     `json:"why"`

	stored    registry.StoredTag
	subject   oci.Digest // it goes because that does; else zero
	subjectAt time.Time  // when the subject was written last
}

// PlannedUpload is an upload that has expired.
type PlannedUpload struct {
	Namespace string `json:"namespace,omitempty"`
	Bytes     int64  `json:"bytes"`

	session registry.Session
}

// Planned is an object whose state will change.
type Planned struct {
	registry.Object
	Bytes int64  `json:"bytes"`
	Why   string `json:"why"`

	storedAt  time.Time
	condemned *registry.Condemned // nil: it is live
	subject   oci.Digest          // of a manifest
	depth     int                 // of a manifest: how many levels of manifests are below it
}

// Unfinished is what a delete of a manifest left behind it when it was killed: a tag or a referrer entry, which goes; or
// an immutable tag for which the manifest has to come back.
type Unfinished struct {
	Namespace oci.Name   `json:"namespace"`
	Digest    oci.Digest `json:"digest"`
	Subject   oci.Digest `json:"subject,omitzero"`
	Tag       string     `json:"tag,omitempty"`
	BringBack bool       `json:"bring_back,omitempty"` // the manifest comes back from the trash

	tag oci.Tag
}

// Freed is how many bytes the plan frees now: of what it destroys and of uploads that it ends.
func (p *Plan) Freed() int64 {
	bytes := bytesOf(p.Destroy)
	for _, upload := range p.Uploads {
		bytes += upload.Bytes
	}
	return bytes
}

// Freeable is how many bytes are freed when what the plan condemns is destroyed.
func (p *Plan) Freeable() int64 { return bytesOf(p.Condemn) }

func bytesOf(list []Planned) (bytes int64) {
	for _, one := range list {
		bytes += one.Bytes
	}
	return bytes
}

func (p *Plan) condemned(k registry.Kind) (n int64) {
	for _, one := range p.Condemn {
		if one.Kind == k {
			n++
		}
	}
	return n
}
