package gc

import (
	"context"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/timespan"
)

// appliesRules tells whether this run removes what the rules of a namespace do not keep.
func (r *run) appliesRules(ns oci.Name) bool {
	return r.opts.Only.includes(RetentionPart) && r.retention.Rules(ns) && ns.Within(r.opts.Repository)
}

// hold marks what live and pending manifests and tags name: it is revived, and never destroyed.
func (r *run) hold(g *graph) {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.pending || n.there && !n.condemned {
			g.need(i, held, "")
		}
	}
	for _, tag := range g.tags {
		g.need(tag.node, held, "")
	}
}

// keep asks the rules, and marks what will still be named after this run.
func (r *run) keep(ctx context.Context, g *graph) error {
	rules := r.retention.Rules(g.ns)
	untagged := map[int]registry.Verdict{}
	if rules {
		var err error
		if untagged, err = r.askRules(ctx, g); err != nil {
			return err
		}
	}
	for i := range g.tags {
		if tag := &g.tags[i]; tag.keep && tag.subject < 0 {
			g.need(tag.node, kept, r.tagWhy(*tag, rules))
		}
	}
	for i := range g.nodes {
		if why := r.ownReason(g, i, rules, untagged); why != "" {
			g.need(i, kept, why)
		}
	}
	r.planTags(g, rules)
	return nil
}

// whyKept says by which rule something stays.
func whyKept(v registry.Verdict) string {
	if len(v.Failed) > 0 {
		return fmt.Sprintf("rule %s fails, and so keeps it", v.Rule)
	}
	return fmt.Sprintf("rule %s keeps it", v.Rule)
}

func (r *run) tagWhy(tag tagEdge, rules bool) string {
	switch {
	case !rules:
		return fmt.Sprintf("tag %s stands for it", tag.stored.Tag)
	case !tag.verdict.Kept && r.protected(tag.stored.RestoredAt):
		return fmt.Sprintf("tag %s stands for it, which was restored less than gc.trash (%s) ago", tag.stored.Tag, timespan.Text(r.config.Trash))
	case tag.verdict.Rule == "":
		return fmt.Sprintf("tag %s stands for it, and this run applies no rules to it", tag.stored.Tag)
	case len(tag.verdict.Failed) > 0:
		return fmt.Sprintf("tag %s stands for it, which rule %s keeps by failing", tag.stored.Tag, tag.verdict.Rule)
	}
	return fmt.Sprintf("tag %s stands for it, which rule %s keeps", tag.stored.Tag, tag.verdict.Rule)
}

// ownReason says why a manifest stays even if nothing names it; empty if there is no such reason.
func (r *run) ownReason(g *graph, i int, rules bool, untagged map[int]registry.Verdict) string {
	n := &g.nodes[i]
	age := r.began.Sub(n.pushedAt)
	switch verdict := untagged[i]; {
	case !n.back.IsZero():
		return fmt.Sprintf("it comes back from the trash: a delete was interrupted, and the immutable tag %s stands for it", n.back)
	case n.pending:
		return "its push is under way"
	case !n.there || n.condemned:
		return ""
	case r.movedAside[g.ns]:
		return whyMovedAside
	case r.chosen(registry.Object{Kind: registry.KindManifest, Namespace: g.ns, Digest: n.digest}):
		return ""
	case age < r.config.Grace:
		return fmt.Sprintf("it was pushed less than gc.grace (%s) ago", timespan.Text(r.config.Grace))
	case r.protected(n.restored):
		return r.whyProtected(n.restored)
	case g.whyNotAsked != "":
		return g.whyNotAsked
	case verdict.Kept:
		return whyKept(verdict)
	case rules && !g.ns.Within(r.opts.Repository):
		return "this run applies no rules to it"
	case n.tagged && rules:
		return "" // the rules were asked about its tags
	case r.config.UntaggedAfter > 0 && age < r.config.UntaggedAfter:
		return fmt.Sprintf("it was pushed less than gc.untagged_after (%s) ago", timespan.Text(r.config.UntaggedAfter))
	case !rules && r.config.UntaggedAfter == 0:
		return "untagged manifests stay: gc.untagged_after is 0"
	}
	return ""
}

// askRules asks the rules about the tags, and about the manifests that have none.
func (r *run) askRules(ctx context.Context, g *graph) (untagged map[int]registry.Verdict, err error) {
	if g.annotations > maxAnnotations {
		// A rule may look at annotations that were not kept in memory.
		r.fail(fmt.Errorf("retention in %s: its manifests have more than %d MiB of annotations, so no rule was asked; delete some of them", g.ns, maxAnnotations>>20))
		g.whyNotAsked = "no rule could be asked, because the namespace has too many annotations"
		return nil, ctx.Err()
	}
	pulled, err := r.registry.PullTimes(ctx, g.ns)
	if err != nil {
		// Without the times of pulls everything looks as if it was never pulled.
		r.fail(fmt.Errorf("retention in %s: %w", g.ns, err))
		g.whyNotAsked = "no rule could be asked, because the times of pulls cannot be read"
		return nil, ctx.Err()
	}
	if g.hasStalePulls(pulled) {
		r.stalePulls = append(r.stalePulls, g.ns)
	}
	var images []registry.Image
	var ask []func(registry.Verdict)
	applied := r.appliesRules(g.ns)
	for i := range g.tags {
		tag := &g.tags[i]
		n := &g.nodes[tag.node]
		if tag.subject >= 0 || n.image == nil {
			continue // it follows its subject, or stands for what is gone
		}
		image := *n.image
		image.Tag, image.PushedAt, image.LastPush = tag.stored.Tag, tag.stored.PushedAt, tag.stored.LastPush()
		image.LastPulledAt = latest(pulled.Tags[tag.stored.Tag], pulled.Manifests[n.digest])
		images = append(images, image)
		ask = append(ask, func(v registry.Verdict) {
			tag.keep, tag.verdict = v.Kept || !applied || r.protected(tag.stored.RestoredAt), v
		})
	}
	untagged = map[int]registry.Verdict{}
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.tagged || n.image == nil || n.condemned {
			continue
		}
		image := *n.image
		image.LastPulledAt = pulled.Manifests[n.digest]
		images = append(images, image)
		ask = append(ask, func(v registry.Verdict) { untagged[i] = v })
	}
	for i, verdict := range r.retention.Decide(g.ns, r.began, images) {
		for _, failed := range verdict.Failed {
			r.warn(fmt.Sprintf("%s: %s", nameOf(g.ns, images[i]), failed))
		}
		ask[i](verdict)
	}
	return untagged, ctx.Err()
}

// hasStalePulls tells whether there are times of pulls of a tag or a manifest that is gone. A run that is killed
// before it removes them leaves some.
func (g *graph) hasStalePulls(pulled registry.PullTimes) bool {
	for d := range pulled.Manifests {
		if g.gone(d) {
			return true
		}
	}
	tags := map[oci.Tag]bool{}
	for _, tag := range g.tags {
		tags[tag.stored.Tag] = true
	}
	for tag := range pulled.Tags {
		if !tags[tag] {
			return true
		}
	}
	return false
}

func nameOf(ns oci.Name, image registry.Image) string {
	if image.Tag.IsZero() {
		return ns.String() + "@" + image.Digest.String()
	}
	return ns.String() + ":" + image.Tag.String()
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// planTags plans the removal of tags that no rule keeps, and of tags that belong to a subject which goes.
func (r *run) planTags(g *graph, rules bool) {
	applied := r.appliesRules(g.ns)
	for i := range g.tags {
		tag := &g.tags[i]
		planned := PlannedTag{
			Namespace: g.ns, Tag: tag.stored.Tag.String(), Digest: tag.stored.Digest, Why: "no rule keeps it", stored: tag.stored,
		}
		if tag.subject >= 0 {
			subject := &g.nodes[tag.subject]
			planned.subject, planned.subjectAt = subject.digest, subject.storedAt
			tag.keep = !rules || !applied || subject.needs&kept != 0 || r.protected(tag.stored.RestoredAt)
			planned.Why = fmt.Sprintf("manifest %s, which it belongs to, goes", subject.digest)
			if tag.keep {
				g.need(tag.node, kept, fmt.Sprintf("tag %s stands for it", tag.stored.Tag))
			}
		}
		if !tag.keep {
			r.plan.Tags = append(r.plan.Tags, planned)
		}
	}
}
