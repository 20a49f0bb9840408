package gc

import (
	"fmt"
	"slices"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/timespan"
)

// Target is what is to be explained: a tag or a digest in a namespace, or a digest wherever it is.
type Target struct {
	Namespace oci.Name
	Tag       oci.Tag
	Digest    oci.Digest
}

// Explained says of one thing why it stays or goes.
type Explained struct {
	What  string   `json:"what"`
	Stays bool     `json:"stays"`
	Gone  bool     `json:"gone,omitempty"` // already
	Why   []string `json:"why"`            // one step after the other
}

func (r *run) explain(what string, stays bool, why ...string) {
	r.report.Explanation = append(r.report.Explanation, Explained{What: what, Stays: stays, Why: why})
}

func (r *run) explainGone(what, why string) {
	r.report.Explanation = append(r.report.Explanation, Explained{What: what, Gone: true, Why: []string{why}})
}

// explainNamespace says what a namespace has to do with the target. It runs when all is decided and before
// anything of the namespace is planned.
func (r *run) explainNamespace(g *graph) {
	r.explainChosen(g)
	t := r.opts.Explain
	if t == nil || !t.Namespace.IsZero() && t.Namespace != g.ns {
		return
	}
	if !t.Tag.IsZero() {
		r.explainTagged(g, t.Tag)
		return
	}
	if i, known := g.index[t.Digest]; known {
		r.explainManifest(g, i)
	}
}

// asked tells whether the run is to explain a link or bytes.
func (r *run) asked(o registry.Object) bool {
	if c := r.opts.Chosen; c != nil && c.Bytes[o.Digest] {
		return true // also of other namespaces: they may be what needs the bytes
	}
	t := r.opts.Explain
	return t != nil && !t.Digest.IsZero() && t.Digest == o.Digest && (t.Namespace.IsZero() || o.Namespace.IsZero() || t.Namespace == o.Namespace)
}

// explainObject says what was planned for a link or for bytes, if the run is to explain them.
func (r *run) explainObject(o registry.Object, stays bool, why ...string) {
	switch {
	case !r.asked(o):
	case o.Kind == registry.KindLink:
		r.explain(fmt.Sprintf("blob %s in %s", o.Digest, o.Namespace), stays, why...)
	case o.Kind == registry.KindBlob:
		r.explain(fmt.Sprintf("the content of blob %s", o.Digest), stays, why...)
	}
}

func (r *run) whyYoung() string {
	return fmt.Sprintf("it was stored less than gc.grace (%s) ago", timespan.Text(r.config.Grace))
}

// names says that a manifest names the blob in question.
func (g *graph) names(manifest int32) string {
	return fmt.Sprintf("manifest %s names it", g.nodes[manifest].digest)
}

// explainTagged explains a tag and what it stands for, or that it was removed.
func (r *run) explainTagged(g *graph, tag oci.Tag) {
	for _, edge := range g.tags {
		if edge.stored.Tag == tag {
			r.explainTag(g, edge)
			r.explainManifest(g, edge.node)
			return
		}
	}
	for _, entry := range slices.Backward(r.trash[g.ns]) {
		if entry.Tag == tag {
			r.explainGone(fmt.Sprintf("tag %s in %s", tag, g.ns), r.restorable(entry))
			return
		}
	}
}

func (r *run) explainTag(g *graph, tag tagEdge) {
	what := fmt.Sprintf("tag %s in %s", tag.stored.Tag, g.ns)
	switch {
	case g.gone(tag.stored.Digest) && r.movedAside[g.ns]:
		r.explain(what, true, "what it stands for is gone, and may be what was moved aside, because it was damaged")
	case g.gone(tag.stored.Digest) && !r.wasDeleted(g.ns, tag.stored.Digest):
		r.explain(what, true, "what it stands for is gone, and the trash does not have it, so nobody knows why: sreg gc verify tells of it")
	case g.gone(tag.stored.Digest):
		r.explain(what, false, "what it stands for is gone: a delete was interrupted here")
	case !tag.keep && tag.subject >= 0:
		r.explain(what, false, fmt.Sprintf("it belongs to manifest %s, which goes", g.nodes[tag.subject].digest))
	case !tag.keep:
		r.explain(what, false, "no rule of retention keeps it")
	case r.retention.Rules(g.ns) && tag.subject < 0 && !tag.verdict.Kept && g.whyNotAsked == "" && r.protected(tag.stored.RestoredAt):
		r.explain(what, true, r.whyProtected(tag.stored.RestoredAt), "no rule of retention keeps it")
	case tag.subject >= 0:
		r.explain(what, true, fmt.Sprintf("it belongs to manifest %s", g.nodes[tag.subject].digest))
	case tag.verdict.Rule != "":
		r.explain(what, true, whyKept(tag.verdict))
	case g.whyNotAsked != "":
		r.explain(what, true, g.whyNotAsked)
	case r.retention.Rules(g.ns):
		r.explain(what, true, "this run applies no rules to it")
	default:
		r.explain(what, true, "there are no rules of retention for "+g.ns.String())
	}
}

func (r *run) explainManifest(g *graph, i int) {
	n := &g.nodes[i]
	what := fmt.Sprintf("manifest %s in %s", n.digest, g.ns)
	switch {
	case !n.there && !n.pending:
		r.explainGone(what, r.whyAbsent(g.ns, n.digest))
	case n.needs&kept != 0:
		r.explain(what, true, g.chain(i)...)
	case n.condemned:
		r.explain(what, false, r.future(n.since, n.needs)...)
	default:
		r.explain(what, false, r.whyGone(g, i), r.willBeDestroyed())
	}
}

// future says what becomes of something condemned.
func (r *run) future(since time.Time, needs need) []string {
	first := fmt.Sprintf("condemned since %s", since.UTC().Format(time.RFC3339))
	switch {
	case needs&held != 0:
		return []string{first, "it is revived, because something that is live names it"}
	case !r.waitOver(since):
		return []string{first, fmt.Sprintf("it can be destroyed from %s on, when gc.trash (%s) is over, unless somebody needs it until then",
			since.Add(r.trashFor).UTC().Format(time.RFC3339), timespan.Text(r.trashFor))}
	case needs&awaited != 0:
		return []string{first, "it is not destroyed yet, because something that can be restored, or is condemned itself, names it"}
	}
	return []string{first, "its time is over, and nothing needs it: it is destroyed"}
}

func (r *run) willBeDestroyed() string {
	return fmt.Sprintf("it is condemned, and destroyed by a run that is gc.trash (%s) later, unless somebody needs it until then", timespan.Text(r.trashFor))
}

// whyAbsent says what is known of a manifest that is named and not there.
func (r *run) whyAbsent(ns oci.Name, d oci.Digest) string {
	for _, entry := range slices.Backward(r.trash[ns]) {
		if entry.Digest == d && entry.Kind == registry.KindManifest {
			return r.restorable(entry)
		}
	}
	return "it is not there"
}

func (r *run) restorable(entry trashEntry) string {
	by := ""
	if entry.By != "" {
		by = " by " + entry.By
	}
	return fmt.Sprintf("it was removed%s at %s, and can be restored until %s",
		by, entry.At.UTC().Format(time.RFC3339), entry.At.Add(r.config.Trash).UTC().Format(time.RFC3339))
}
