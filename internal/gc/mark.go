package gc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// mark looks for what is needed, and makes the plan. Its order is part of what makes a run safe: the trash
// is listed first, and what is pending before what is live.
func (r *run) mark(ctx context.Context) error {
	r.begin("mark")
	defer r.phase.end()
	err := r.lookAround(ctx)
	if err != nil && ctx.Err() == nil {
		r.plan.Problems = append(r.plan.Problems, err.Error())
		return nil
	}
	return err
}

func (r *run) lookAround(ctx context.Context) error {
	if err := r.listTrash(ctx); err != nil {
		return err
	}
	if err := r.listUndos(ctx); err != nil {
		return err
	}
	if err := r.listPending(ctx); err != nil {
		return err
	}
	if err := r.listAside(ctx); err != nil {
		return err
	}
	if err := r.markNamespaces(ctx); err != nil {
		return err
	}
	if r.opts.Only == RetentionPart {
		return nil
	}
	return r.markBlobs(ctx)
}

// damage notes what cannot be read, and lets the mark go on to find the rest of it. Other errors end it.
func (r *run) damage(err error) error {
	if !errors.Is(err, registry.ErrDamaged) {
		return err
	}
	r.plan.Problems = append(r.plan.Problems, err.Error())
	return nil
}

// damageOf is damage for what may be no error.
func (r *run) damageOf(err error) error {
	if err == nil {
		return nil
	}
	return r.damage(err)
}

func (r *run) listTrash(ctx context.Context) error {
	for condemned, err := range r.registry.Condemned(ctx) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.trash = append(r.trash, condemned)
	}
	return nil
}

// listUndos finds what can still be restored, and what cannot any longer.
func (r *run) listUndos(ctx context.Context) error {
	for undo, err := range r.registry.KeptInTrash(ctx) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		if err := r.wait(ctx); err != nil {
			return err
		}
		if r.began.Sub(undo.At) >= r.config.Trash {
			r.plan.Restore.add(undo.Size)
			undo.Manifest = nil
			r.plan.drop = append(r.plan.drop, undo)
			continue
		}
		r.undos[undo.Namespace] = append(r.undos[undo.Namespace], r.toRestore(undo))
	}
	return nil
}

// undo is an entry of the trash and what has to be there for it. A client may delete any number of large
// manifests, and they are in mind until the end: so of each no more than that.
type undo struct {
	registry.Kept
	blobs    []uint32
	children []oci.Digest
}

func (r *run) toRestore(kept registry.Kept) undo {
	u := undo{Kept: kept}
	u.Manifest = nil
	if kept.Manifest == nil {
		return u
	}
	for _, blob := range allBlobs(*kept.Manifest) {
		u.blobs = append(u.blobs, r.number(blob.Digest))
	}
	seen := map[oci.Digest]bool{}
	for _, child := range kept.Manifest.Children() {
		if !seen[child.Digest] {
			seen[child.Digest] = true
			u.children = append(u.children, child.Digest)
		}
	}
	slices.Sort(u.blobs)
	u.blobs = slices.Clip(slices.Compact(u.blobs))
	return u
}

func (r *run) listPending(ctx context.Context) error {
	for pending, err := range r.registry.Pending(ctx) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.pending[pending.Namespace] = append(r.pending[pending.Namespace], pending)
	}
	return nil
}

const whyAside = "a damaged manifest or tag of its namespace was moved aside, and may have named it"

// listAside finds the namespaces in which something is missing that was no good: what it named looks as if
// nothing did, and waits until it is pushed again, or somebody removes what lies aside.
func (r *run) listAside(ctx context.Context) error {
	for ns, err := range r.registry.MovedAside(ctx) {
		if err != nil {
			return err
		}
		if !r.aside[ns] {
			r.aside[ns] = true
			r.warn(fmt.Sprintf("%s: nothing of it is condemned, because a damaged manifest or tag of it was moved aside; push it again, or remove it from _corrupt", ns))
		}
	}
	return nil
}

// markNamespaces visits every namespace that has anything: also one of which all is condemned, or can only
// be restored.
func (r *run) markNamespaces(ctx context.Context) error {
	trash := map[oci.Name][]registry.Condemned{}
	for _, condemned := range r.trash {
		if condemned.Kind != registry.KindBlob {
			trash[condemned.Namespace] = append(trash[condemned.Namespace], condemned)
		}
	}
	visited := map[oci.Name]bool{}
	visit := func(ns oci.Name) error {
		visited[ns] = true
		err := r.markNamespace(ctx, ns, trash[ns])
		delete(trash, ns)
		delete(r.pending, ns)
		delete(r.undos, ns)
		return err
	}
	for ns, err := range r.registry.Namespaces(ctx) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.spaces++
		r.plan.Totals.Namespaces++
		if r.opts.Only == RetentionPart && !r.judges(ns) {
			if err := r.countTags(ctx, ns); err != nil {
				return err
			}
			continue
		}
		if err := visit(ns); err != nil {
			return err
		}
	}
	var rest []oci.Name
	for ns, err := range r.registry.Enrolled(ctx) {
		if err := r.damageOf(err); err != nil {
			return err
		}
		if err == nil && !visited[ns] && r.opts.Only != RetentionPart {
			rest = append(rest, ns)
		}
	}
	for ns := range trash {
		rest = append(rest, ns)
	}
	for ns := range r.pending {
		rest = append(rest, ns)
	}
	for ns := range r.undos {
		rest = append(rest, ns)
	}
	slices.SortFunc(rest, func(a, b oci.Name) int { return strings.Compare(a.String(), b.String()) })
	for _, ns := range slices.Compact(rest) {
		if err := visit(ns); err != nil {
			return err
		}
	}
	return nil
}

// countTags counts those of a namespace that is not looked at further: what goes is compared with all that
// there is, also when only a part of it was judged.
func (r *run) countTags(ctx context.Context, ns oci.Name) error {
	for _, err := range r.registry.Tags(ctx, ns) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.plan.Totals.Tags++
	}
	return nil
}

// judges tells whether this run asks rules about a namespace.
func (r *run) judges(ns oci.Name) bool {
	return r.opts.Only.includes(RetentionPart) && r.retention.Rules(ns) && ns.Within(r.opts.Repository)
}

// markNamespace reads what one namespace holds, decides what of it is needed, and plans what becomes of
// the rest. What it names of blobs is noted for all namespaces together.
func (r *run) markNamespace(ctx context.Context, ns oci.Name, trash []registry.Condemned) error {
	g := newGraph(ns, r.number)
	if err := r.readManifests(ctx, g, trash); err != nil {
		return err
	}
	if err := r.readTags(ctx, g); err != nil {
		return err
	}
	g.join()
	g.heights()

	r.hold(g)
	if err := r.judge(ctx, g); err != nil {
		return err
	}
	r.await(g, trash)
	r.explainNamespace(g)
	if r.opts.Only == RetentionPart {
		return nil
	}
	r.planManifests(g, trash)
	links := r.plan.Totals.Links
	if err := r.planLinks(ctx, g, trash); err != nil {
		return err
	}
	if err := r.planEntry(ctx, g, trash, r.plan.Totals.Links > links); err != nil {
		return err
	}
	for number, blob := range g.blobs {
		r.needs[number] |= blob.needs & awaited
	}
	return r.planUnfinished(ctx, g)
}

// number is the one that the run knows a blob by.
func (r *run) number(d oci.Digest) uint32 {
	n, fresh := r.blobs.number(d)
	if fresh {
		r.needs = append(r.needs, 0)
	}
	return n
}

// readManifests takes in what is pending, then what is live, then what is condemned.
func (r *run) readManifests(ctx context.Context, g *graph, trash []registry.Condemned) error {
	withImages := r.retention.Rules(g.ns)
	for _, pending := range r.pending[g.ns] {
		g.add(pending.Revision, true, false)
	}
	var wanted []oci.Digest
	for d, err := range r.registry.Revisions(ctx, g.ns) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.plan.Totals.Manifests++
		wanted = append(wanted, d)
	}
	since := map[oci.Digest]time.Time{}
	for _, condemned := range trash {
		if condemned.Kind == registry.KindManifest {
			wanted = append(wanted, condemned.Digest)
			since[condemned.Digest] = condemned.Since
		}
	}
	// They are read in whatever order; numbered in this one a plan comes out the same each time.
	for _, d := range wanted {
		g.node(d)
	}
	err := r.readEach(ctx, g.ns, wanted, func(revision registry.Revision) {
		g.add(revision, false, withImages)
		n := &g.nodes[g.index[revision.Digest]]
		n.since = since[revision.Digest]
		r.seen(revision.PushedAt, g.ns, registry.Image{Digest: revision.Digest})
	})
	return err
}

// readEach reads manifests, several at a time, and takes them in one at a time. One that went away
// meanwhile is none.
func (r *run) readEach(ctx context.Context, ns oci.Name, wanted []oci.Digest, take func(registry.Revision)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.config.Concurrency)
	var mu sync.Mutex // guards take and the plan
	for _, d := range wanted {
		if err := r.wait(ctx); err != nil {
			// What could not be read ended ctx, and is the cause; else it is the caller's end.
			return cmp.Or(group.Wait(), err)
		}
		group.Go(func() error {
			revision, err := r.registry.Revision(ctx, ns, d)
			if errors.Is(err, registry.ErrGone) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				return r.damage(err)
			}
			r.phase.add(1, revision.Size)
			take(revision)
			return nil
		})
	}
	return group.Wait()
}

// seen notes the newest time of all records: a clock that is far behind it is wrong.
func (r *run) seen(at time.Time, ns oci.Name, image registry.Image) {
	if at.After(r.newest.PushedAt) || at.Equal(r.newest.PushedAt) && !image.Tag.IsZero() {
		image.PushedAt = at
		r.newest.Image, r.newest.namespace = image, ns
	}
}

// referrerTag is a tag by which clients without the referrers API bind a manifest to its subject (spec:
// Referrers Tag Schema), and cosign its signatures.
var referrerTag = regexp.MustCompile(`^(sha256|sha512)-([0-9a-f]{64,128})(\.[a-z]+)?$`)

func (r *run) readTags(ctx context.Context, g *graph) error {
	for name, err := range r.registry.Tags(ctx, g.ns) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		if err := r.wait(ctx); err != nil {
			return err
		}
		stored, err := r.registry.Tag(ctx, g.ns, name)
		if errors.Is(err, registry.ErrGone) {
			continue
		}
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.phase.add(1, 0)
		r.seen(stored.PushedAt, g.ns, registry.Image{Tag: name})
		r.plan.Totals.Tags++
		i := g.node(stored.Digest)
		g.nodes[i].tagged = true
		subject := g.subjectOf(name)
		if subject == i {
			subject = -1 // it stands for what it names, as some tools hold an image: no referrer, rules judge it
		}
		g.tags = append(g.tags, tagEdge{stored: stored, node: i, subject: subject, keep: true})
	}
	return nil
}

// subjectOf is the manifest that a tag belongs to by its name, -1 if there is none.
func (g *graph) subjectOf(tag oci.Tag) int {
	parts := referrerTag.FindStringSubmatch(tag.String())
	if parts == nil {
		return -1
	}
	d, err := oci.ParseDigest(parts[1] + ":" + parts[2])
	if err != nil {
		return -1
	}
	if i, known := g.index[d]; known && g.nodes[i].there {
		return i
	}
	return -1
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

// judge asks the rules, and marks what will be named also after this run.
func (r *run) judge(ctx context.Context, g *graph) error {
	rules := r.retention.Rules(g.ns)
	untagged := map[int]Verdict{}
	if rules {
		var err error
		if untagged, err = r.askRules(ctx, g); err != nil {
			return err
		}
	}
	for i := range g.tags {
		if tag := &g.tags[i]; tag.keep && tag.subject < 0 {
			g.need(tag.node, kept, tagWhy(*tag, rules))
		}
	}
	for i := range g.nodes {
		if why := r.standsAlone(g, i, rules, untagged); why != "" {
			g.need(i, kept, why)
		}
	}
	r.planTags(g, rules)
	return nil
}

func tagWhy(tag tagEdge, rules bool) string {
	switch {
	case !rules:
		return fmt.Sprintf("tag %s stands for it", tag.stored.Tag)
	case tag.verdict.Rule == "":
		return fmt.Sprintf("tag %s stands for it, which this run does not judge", tag.stored.Tag)
	case tag.verdict.failed():
		return fmt.Sprintf("tag %s stands for it, which rule %s keeps by failing", tag.stored.Tag, tag.verdict.Rule)
	}
	return fmt.Sprintf("tag %s stands for it, which rule %s keeps", tag.stored.Tag, tag.verdict.Rule)
}

// standsAlone says why a manifest stays although nothing names it; empty if it does not for that.
func (r *run) standsAlone(g *graph, i int, rules bool, untagged map[int]Verdict) string {
	n := &g.nodes[i]
	age := r.began.Sub(n.pushedAt)
	switch verdict := untagged[i]; {
	case n.pending:
		return "its push is under way"
	case !n.there || n.condemned:
		return ""
	case r.aside[g.ns]:
		return whyAside
	case age < r.config.Grace:
		return fmt.Sprintf("it was pushed less than gc.grace (%s) ago", inWords(r.config.Grace))
	case g.unasked != "":
		return g.unasked
	case verdict.Kept:
		return verdict.why()
	case n.tagged && rules:
		return "" // its tags were judged
	case r.config.UntaggedAfter > 0 && age < r.config.UntaggedAfter:
		return fmt.Sprintf("it was pushed less than gc.untagged_after (%s) ago", inWords(r.config.UntaggedAfter))
	case !rules && r.config.UntaggedAfter == 0:
		return "untagged manifests stay: gc.untagged_after is 0"
	}
	return ""
}

// askRules judges the tags, and the manifests that have none.
func (r *run) askRules(ctx context.Context, g *graph) (untagged map[int]Verdict, err error) {
	pulled, err := r.registry.PullTimes(ctx, g.ns)
	if err != nil {
		// Who does not know when something was pulled last keeps it.
		r.fail(fmt.Errorf("retention in %s: %w", g.ns, err))
		g.unasked = "no rule could be asked, because the times of pulls cannot be read"
		return nil, ctx.Err()
	}
	var images []registry.Image
	var ask []func(Verdict)
	judged := r.judges(g.ns)
	for i := range g.tags {
		tag := &g.tags[i]
		n := &g.nodes[tag.node]
		if tag.subject >= 0 || n.image == nil {
			continue // it follows its subject, or stands for what is gone
		}
		image := *n.image
		image.Tag, image.PushedAt = tag.stored.Tag, tag.stored.PushedAt
		image.LastPulledAt = latest(pulled.Tags[tag.stored.Tag], pulled.Manifests[n.digest])
		images = append(images, image)
		ask = append(ask, func(v Verdict) { tag.keep, tag.verdict = v.Kept || !judged, v })
	}
	untagged = map[int]Verdict{}
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.tagged || n.image == nil || n.condemned {
			continue
		}
		image := *n.image
		image.LastPulledAt = pulled.Manifests[n.digest]
		images = append(images, image)
		ask = append(ask, func(v Verdict) { untagged[i] = v })
	}
	for i, verdict := range r.retention.Decide(g.ns, r.began, images) {
		for _, failed := range verdict.Failed {
			r.warn(fmt.Sprintf("%s: %s", nameOf(g.ns, images[i]), failed))
		}
		ask[i](verdict)
	}
	return untagged, ctx.Err()
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

// planTags plans the removal of tags that no rule keeps, and of those whose subject goes.
func (r *run) planTags(g *graph, rules bool) {
	judged := r.judges(g.ns)
	for i := range g.tags {
		tag := &g.tags[i]
		planned := PlannedTag{
			Namespace: g.ns, Tag: tag.stored.Tag.String(), Digest: tag.stored.Digest, Why: "no rule keeps it", stored: tag.stored,
		}
		if tag.subject >= 0 {
			subject := &g.nodes[tag.subject]
			planned.subject, planned.subjectAt = subject.digest, subject.storedAt
			tag.keep = !rules || !judged || subject.needs&kept != 0
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

// await marks what must not be destroyed yet: what can be restored, and what a condemned manifest names that
// is not destroyed in this run. A condemned one is there for every reader, and so is all that it names.
func (r *run) await(g *graph, trash []registry.Condemned) {
	for _, undo := range r.undos[g.ns] {
		if undo.Kind == registry.KindBlob {
			g.needBlob(g.number(undo.Digest), awaited, 0)
			continue
		}
		for _, number := range undo.blobs {
			g.needBlob(number, awaited, 0)
		}
		for _, child := range undo.children {
			g.need(g.node(child), awaited, "")
		}
		g.need(g.node(undo.Digest), awaited, "")
	}
	for _, condemned := range trash {
		if condemned.Kind == registry.KindManifest && !r.ripeIn(g.ns, condemned.Since) {
			g.need(g.node(condemned.Digest), awaited, "")
		}
	}
}

// ripe tells whether what is condemned since then may be destroyed.
func (r *run) ripe(since time.Time) bool { return r.began.Sub(since) >= r.trashFor }

// ripeIn is ripe for what belongs to a namespace: to one that the run is not about its trash is left. Bytes
// belong to none, and wait for the links that lead to them.
func (r *run) ripeIn(ns oci.Name, since time.Time) bool {
	if !ns.IsZero() && !ns.Within(r.opts.Repository) {
		return r.began.Sub(since) >= r.config.Trash
	}
	return r.ripe(since)
}

// fate plans what becomes of a condemned thing by what it is needed for.
func (r *run) fate(p Planned, needs need) {
	switch {
	case needs&held != 0:
		p.Why = "something that is live names it"
		r.plan.Revive = append(r.plan.Revive, p)
	case needs&awaited != 0 || !r.ripeIn(p.Namespace, p.since):
		r.plan.Waiting.add(p.Bytes)
	default:
		p.Why = "nothing needs it, and gc.trash is over"
		r.plan.Destroy = append(r.plan.Destroy, p)
	}
}

func (r *run) planManifests(g *graph, trash []registry.Condemned) {
	for _, condemned := range trash {
		if condemned.Kind != registry.KindManifest {
			continue
		}
		i, known := g.index[condemned.Digest]
		if !known || !g.nodes[i].there || !g.nodes[i].condemned {
			continue // it was revived or destroyed meanwhile, or cannot be read
		}
		n := &g.nodes[i]
		r.fate(Planned{Thing: condemned.Thing, Bytes: condemned.Size, since: condemned.Since, subject: n.subject, depth: n.depth}, n.needs)
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if !n.there || n.condemned || n.needs&kept != 0 {
			continue
		}
		r.plan.Condemn = append(r.plan.Condemn, Planned{
			Thing: registry.Thing{Kind: registry.KindManifest, Namespace: g.ns, Digest: n.digest},
			Bytes: n.size, Why: r.whyGone(g, i), storedAt: n.storedAt, subject: n.subject, depth: n.depth,
		})
	}
}

// whyGone says why a manifest is needed no more.
func (r *run) whyGone(g *graph, i int) string {
	n := &g.nodes[i]
	switch {
	case r.retention.Rules(g.ns):
		return "no rule keeps it, and nothing that is kept names it"
	case n.tagged:
		return "its tags go"
	}
	return fmt.Sprintf("untagged for longer than gc.untagged_after (%s), and nothing that is kept names it", inWords(r.config.UntaggedAfter))
}

// planLinks lists the live links. Those that nothing names and that are old are condemned; every other one
// keeps its bytes.
func (r *run) planLinks(ctx context.Context, g *graph, trash []registry.Condemned) error {
	for d, err := range r.registry.Links(ctx, g.ns) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.plan.Totals.Links++
		r.phase.add(1, 0)
		if err := r.planLink(ctx, g, d); err != nil {
			return err
		}
	}
	for _, condemned := range trash {
		if condemned.Kind == registry.KindLink {
			r.planCondemnedLink(g, condemned)
		}
	}
	return nil
}

func (r *run) planLink(ctx context.Context, g *graph, d oci.Digest) error {
	thing := registry.Thing{Kind: registry.KindLink, Namespace: g.ns, Digest: d}
	number := r.number(d)
	r.needs[number] |= held
	if r.aside[g.ns] {
		r.needs[number] |= kept
		r.explainThing(thing, true, whyAside)
		return nil
	}
	if blob := g.blobs[number]; blob.needs&kept != 0 {
		r.needs[number] |= kept
		if r.asked(thing) {
			r.explainThing(thing, true, append([]string{g.names(blob.by)}, g.chain(int(blob.by))...)...)
		}
		return nil
	}
	young, info, err := r.young(ctx, thing)
	if err != nil {
		return err
	}
	if young {
		r.needs[number] |= kept
		r.explainThing(thing, true, r.whyYoung())
		return nil
	}
	planned := Planned{Thing: thing, Bytes: info.Size, Why: "no manifest that is kept names it", storedAt: info.StoredAt}
	r.plan.Condemn = append(r.plan.Condemn, planned)
	r.explainThing(thing, false, planned.Why, r.willBeDestroyed())
	return nil
}

// planCondemnedLink decides about a link, and keeps its bytes for as long as it is there.
func (r *run) planCondemnedLink(g *graph, condemned registry.Condemned) {
	number := r.number(condemned.Digest)
	needs := g.blobs[number].needs
	if needs&held == 0 && !r.ripeIn(g.ns, condemned.Since) {
		needs |= awaited
	}
	r.needs[number] |= needs
	r.fate(Planned{Thing: condemned.Thing, Bytes: condemned.Size, since: condemned.Since}, needs)
	r.explainThing(condemned.Thing, needs&held != 0, r.departing(condemned.Since, needs)...)
}

// planEntry decides about the catalog's entry: a namespace that has nothing at all any more, nor anything
// that can be restored, need not be listed.
func (r *run) planEntry(ctx context.Context, g *graph, trash []registry.Condemned, hasLinks bool) error {
	entry := registry.Thing{Kind: registry.KindNamespace, Namespace: g.ns}
	used := len(g.tags) > 0 || slices.ContainsFunc(g.nodes, func(n node) bool { return n.there || n.pending })
	for _, condemned := range trash {
		if condemned.Thing != entry {
			continue
		}
		var needs need
		if used {
			needs = held
		}
		r.fate(Planned{Thing: entry, since: condemned.Since}, needs)
	}
	if used || hasLinks || len(trash) > 0 || len(r.undos[g.ns]) > 0 {
		return nil
	}
	young, info, err := r.young(ctx, entry)
	if err == nil && !young {
		r.plan.Condemn = append(r.plan.Condemn, Planned{Thing: entry, Why: "nothing is in it any more", storedAt: info.StoredAt})
	}
	return err
}

// young looks at how old something is that nothing needs. What went away meanwhile counts as young: there is
// nothing to do about it.
func (r *run) young(ctx context.Context, t registry.Thing) (young bool, info registry.ThingInfo, err error) {
	if err := r.wait(ctx); err != nil {
		return false, info, err
	}
	info, err = r.registry.Stat(ctx, t)
	if errors.Is(err, registry.ErrGone) {
		return true, info, nil
	}
	return err == nil && (info.Condemned || r.began.Sub(info.StoredAt) < r.config.Grace), info, err
}

// markBlobs lists the bytes. Those that no link needs and that are old are condemned.
func (r *run) markBlobs(ctx context.Context) error {
	for d, err := range r.registry.Blobs(ctx) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.plan.Totals.Blobs++
		r.phase.add(1, 0)
		if err := r.planBlob(ctx, registry.Thing{Kind: registry.KindBlob, Digest: d}); err != nil {
			return err
		}
	}
	for _, condemned := range r.trash {
		if condemned.Kind == registry.KindBlob {
			needs := r.blobNeeds(condemned.Digest)
			r.fate(Planned{Thing: condemned.Thing, Bytes: condemned.Size, since: condemned.Since}, needs)
			r.explainThing(condemned.Thing, needs&held != 0, r.departing(condemned.Since, needs)...)
		}
	}
	return nil
}

func (r *run) planBlob(ctx context.Context, thing registry.Thing) error {
	if r.blobNeeds(thing.Digest)&kept != 0 {
		r.explainThing(thing, true, "a namespace holds it")
		return nil
	}
	young, info, err := r.young(ctx, thing)
	if err != nil {
		return err
	}
	if young {
		r.explainThing(thing, true, r.whyYoung())
		return nil
	}
	planned := Planned{Thing: thing, Bytes: info.Size, Why: "no namespace that needs it holds it", storedAt: info.StoredAt}
	r.plan.Condemn = append(r.plan.Condemn, planned)
	r.explainThing(thing, false, planned.Why, r.willBeDestroyed())
	return nil
}

func (r *run) blobNeeds(d oci.Digest) need {
	if n, known := r.blobs.find(d); known {
		return r.needs[n]
	}
	return 0
}

// planUnfinished finds what a delete that was killed left: tags and referrer entries of what is gone.
func (r *run) planUnfinished(ctx context.Context, g *graph) error {
	for _, tag := range g.tags {
		if g.gone(tag.stored.Digest) && !r.aside[g.ns] {
			r.plan.Finish = append(r.plan.Finish, Unfinished{
				Namespace: g.ns, Digest: tag.stored.Digest, Tag: tag.stored.Tag.String(), tag: tag.stored.Tag,
			})
		}
	}
	for entry, err := range r.registry.ReferrerEntries(ctx, g.ns) {
		if err != nil {
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		if g.gone(entry.Referrer) {
			r.plan.Finish = append(r.plan.Finish, Unfinished{Namespace: g.ns, Digest: entry.Referrer, Subject: entry.Subject})
		}
	}
	return nil
}
