package scrub

import (
	"cmp"
	"slices"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// Severity is how bad a finding is.
type Severity string

// The severities. Critical: bytes or records are damaged. Error: something that was stored reads as absent.
// Warning: everything that is asked for by name is there. Note: nothing has to be repaired.
const (
	Critical Severity = "critical"
	Error    Severity = "error"
	Warning  Severity = "warning"
	Note     Severity = "note"
)

var severities = []Severity{Critical, Error, Warning, Note}

// Code is what kind of finding it is.
type Code string

// The codes.
const (
	CodeCorruptBlob     Code = "corrupt-blob"
	CodeCorruptManifest Code = "corrupt-manifest"
	CodeInvalidManifest Code = "invalid-manifest"
	CodeDamagedRecord   Code = "damaged-record"
	CodeUnreadable      Code = "unreadable"
	CodeDanglingTag     Code = "dangling-tag"
	CodeDanglingLink    Code = "dangling-link"
	CodeNoLink          Code = "missing-link"
	CodeNoBytes         Code = "missing-bytes"
	CodeNoChild         Code = "missing-child"
	CodeNoReferrer      Code = "missing-referrer"
	CodeStaleReferrer   Code = "stale-referrer"
	CodeNoTagEntry      Code = "missing-tag-entry"
	CodeProposedLink    Code = "proposed-link"
	CodeMisplacedLink   Code = "misplaced-link"
	CodeNoNamespace     Code = "missing-namespace"
	CodeStrangeKey      Code = "strange-key"
	CodeMovedAside      Code = "moved-aside"
)

// kinds says of each code how bad it is, what it means and what to do.
var kinds = map[Code]struct {
	severity  Severity
	means, do string
}{
	CodeCorruptBlob:     {Critical, "the bytes do not hash to the digest", "run it with --repair, then push the image again; look at the disk"},
	CodeCorruptManifest: {Critical, "the manifest does not hash to its digest", "run it with --repair, then push the manifest again; look at the disk"},
	CodeInvalidManifest: {Critical, "the manifest is not one that this sreg reads", "push it again with a newer client, or delete it"},
	CodeDamagedRecord:   {Critical, "the record cannot be read", "run it with --repair, then push again what it stood for"},
	CodeUnreadable:      {Critical, "the store cannot read it", "look at the disk and its permissions"},
	CodeDanglingTag:     {Error, "the tag stands for a manifest that is gone, and reads as absent", "push the tag again, or delete it"},
	CodeDanglingLink:    {Error, "the namespace holds a blob whose bytes are gone, and reads as absent", "push an image that has the blob again"},
	CodeNoLink:          {Error, "the manifest names a blob that the namespace does not hold", "run it with --repair, or push the image again"},
	CodeNoBytes:         {Error, "the manifest names a blob whose bytes are gone", "push the image again"},
	CodeNoChild:         {Error, "the index names a manifest or a blob that is gone", "push the index again with all that it names"},
	CodeNoReferrer:      {Warning, "the referrers of the subject do not show the manifest", "run it with --repair"},
	CodeStaleReferrer:   {Warning, "the referrers of the subject show a manifest that is gone", "run it with --repair"},
	CodeNoTagEntry:      {Warning, "a delete of the manifest by its digest leaves the tag", "run it with --repair"},
	CodeProposedLink:    {Warning, "a repair was interrupted before it linked the blob; it reads as absent", "run it with --repair"},
	CodeMisplacedLink:   {Warning, "the link does not name the data key of the bytes, so that redirected pulls fail", "run it with --repair"},
	CodeNoNamespace:     {Warning, "the catalog does not show the namespace", "run it with --repair"},
	CodeStrangeKey:      {Warning, "the key has no place in the layout", "find out who put it there, and move it out of the store"},
	CodeMovedAside:      {Note, "it was damaged, and a repair moved it here", "push again what it was, look at it, then delete the file"},
}

// Finding is one thing that is not as it should be.
type Finding struct {
	Severity  Severity   `json:"severity"`
	Code      Code       `json:"code"`
	Key       string     `json:"key"`
	Namespace oci.Name   `json:"namespace,omitzero"`
	Digest    oci.Digest `json:"digest,omitzero"`
	Tag       string     `json:"tag,omitempty"`
	Names     oci.Digest `json:"names,omitzero"` // what is missing
	MediaType string     `json:"media_type,omitempty"`
	Means     string     `json:"means"`
	Do        string     `json:"do"`
	Repaired  string     `json:"repaired,omitempty"` // how; empty: it remains
	Problem   string     `json:"problem,omitempty"`  // why it was not repaired
}

func newFinding(code Code, o registry.Object) Finding {
	kind := kinds[code]
	return Finding{
		Severity: kind.severity, Code: code, Key: o.Key(), Namespace: o.Namespace, Digest: o.Digest, Tag: o.Tag.String(),
		Means: kind.means, Do: kind.do,
	}
}

// noteRepair notes how a repair ended.
func (f *Finding) noteRepair(err error, how string) {
	if err != nil {
		f.Problem = err.Error()
		return
	}
	f.Repaired = how
}

// transient tells whether it may come from a push or a delete that is under way.
func (f Finding) transient() bool {
	return f.Repaired == "" && (f.Severity == Error || f.Severity == Warning && f.Code != CodeStrangeKey)
}

// keptFindings bounds how many findings a report keeps; it counts the others.
const keptFindings = 10_000

// Report is what a run found.
type Report struct {
	Begun    time.Time               `json:"begun"`
	Ended    time.Time               `json:"ended"`
	Resumed  bool                    `json:"resumed"` // it went on where another run was interrupted
	Objects  map[registry.Kind]int64 `json:"objects"`
	Bytes    int64                   `json:"bytes"` // hashed
	Counts   map[Severity]int64      `json:"counts"`
	Repaired int64                   `json:"repaired"`
	Findings []Finding               `json:"findings"`
	Omitted  int64                   `json:"omitted"` // findings that were counted and not kept
}

func newReport() Report {
	return Report{
		Begun: time.Now().UTC(), Objects: map[registry.Kind]int64{}, Counts: map[Severity]int64{}, Findings: []Finding{},
	}
}

func (r *Report) add(f Finding) {
	r.count(f, 1)
	if len(r.Findings) == keptFindings {
		r.Omitted++
		return
	}
	r.Findings = append(r.Findings, f)
}

func (r *Report) count(f Finding, by int64) {
	r.Counts[f.Severity] += by
	if f.Repaired != "" {
		r.Repaired += by
	}
}

// Remaining is how many findings were not repaired. Notes do not count.
func (r *Report) Remaining() int64 {
	return r.Counts[Critical] + r.Counts[Error] + r.Counts[Warning] - r.Repaired
}

// sort puts the worst first.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			slices.Index(severities, a.Severity)-slices.Index(severities, b.Severity),
			cmp.Compare(a.Key, b.Key), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Names.String(), b.Names.String()),
		)
	})
}
