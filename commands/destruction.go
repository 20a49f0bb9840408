package commands

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// destruction is one call of sreg gc destroy.
type destruction struct {
	ref      storeRef
	m        *registry.Maintenance
	registry *registry.Registry
	spaces   []oci.Name // that it is about
	named    map[oci.Digest]bool
	tags     []storeRef // with what they stand for
	removed  int        // how many entries of the trash are about it
	chosen   gc.Chosen  // what was named, and all that this names
	things   []registry.Object
	needed   map[oci.Name]map[oci.Digest]string // why other things of a namespace need it
	kept     []registry.Object                  // manifests that stay in the trash
	planned  bool                               // nothing is changed
}

func newDestruction(ref storeRef, store *openedStore) *destruction {
	d := &destruction{
		ref: ref, m: store.Maintenance, registry: store.Registry, named: map[oci.Digest]bool{},
		chosen: gc.Chosen{Digests: map[oci.Name]map[oci.Digest]bool{}, Bytes: map[oci.Digest]bool{}},
		needed: map[oci.Name]map[oci.Digest]string{},
	}
	if ref.Tag.IsZero() && ref.Digest.IsZero() {
		d.chosen.Whole = ref.Namespace
	}
	return d
}

// choose finds what was named and all that it names, in the namespaces and in their trash.
func (d *destruction) choose(ctx context.Context) error {
	if err := d.findSpaces(ctx); err != nil {
		return err
	}
	for _, ns := range d.spaces {
		if err := d.chooseIn(ctx, ns); err != nil {
			return err
		}
	}
	for digest := range d.chosen.Bytes {
		if err := d.addThing(ctx, registry.Object{Kind: registry.KindBlob, Digest: digest}); err != nil {
			return err
		}
	}
	if len(d.tags)+d.removed+len(d.things) == 0 {
		return hintedError{fmt.Errorf("%s: there is nothing of that name", d.ref), "name it as it was pushed, as in team/app:v1; sreg gc trash lists what was removed"}
	}
	order := []registry.Kind{registry.KindManifest, registry.KindLink, registry.KindBlob}
	slices.SortFunc(d.things, func(a, b registry.Object) int {
		if by := slices.Index(order, a.Kind) - slices.Index(order, b.Kind); by != 0 {
			return by
		}
		return strings.Compare(a.String(), b.String())
	})
	return nil
}

// chooseIn is choose for one namespace.
func (d *destruction) chooseIn(ctx context.Context, ns oci.Name) error {
	trash, err := d.trashOf(ctx, ns)
	if err != nil {
		return err
	}
	if err := d.name(ctx, ns, trash); err != nil {
		return err
	}
	if err := d.follow(ctx, ns, trash); err != nil {
		return err
	}
	for digest := range d.chosen.Digests[ns] {
		for _, kind := range []registry.Kind{registry.KindManifest, registry.KindLink} {
			if err := d.addThing(ctx, registry.Object{Kind: kind, Namespace: ns, Digest: digest}); err != nil {
				return err
			}
		}
	}
	for _, entry := range trash {
		if d.isAbout(entry) {
			d.removed++
		}
	}
	return nil
}

func (d *destruction) findSpaces(ctx context.Context) error {
	if !d.ref.Namespace.IsZero() {
		d.spaces = []oci.Name{d.ref.Namespace}
		return nil
	}
	for _, all := range []iter.Seq2[oci.Name, error]{d.m.Namespaces(ctx), d.m.InTrash(ctx)} {
		for ns, err := range all {
			if err != nil {
				return err
			}
			if !slices.Contains(d.spaces, ns) {
				d.spaces = append(d.spaces, ns)
			}
		}
	}
	return nil
}

// name finds the digests and the tags that were named.
func (d *destruction) name(ctx context.Context, ns oci.Name, trash []removedThing) error {
	switch {
	case !d.ref.Tag.IsZero():
		return d.nameTag(ctx, ns, d.ref.Tag, trash)
	case !d.ref.Digest.IsZero():
		d.named[d.ref.Digest] = true
		tags, _, err := d.registry.TagsOf(ctx, ns, d.ref.Digest, math.MaxInt)
		for _, tag := range tags {
			d.tags = append(d.tags, storeRef{ns, tag, d.ref.Digest})
		}
		return err
	}
	for tag, err := range d.m.Tags(ctx, ns) {
		if err == nil {
			err = d.nameTag(ctx, ns, tag, trash)
		}
		if err != nil {
			return err
		}
	}
	for _, all := range []iter.Seq2[oci.Digest, error]{d.m.Revisions(ctx, ns), d.m.Links(ctx, ns)} {
		for digest, err := range all {
			if err != nil {
				return err
			}
			d.named[digest] = true
		}
	}
	for condemned, err := range d.m.Condemned(ctx) {
		if err != nil {
			return err
		}
		if condemned.Namespace == ns && !condemned.Digest.IsZero() {
			d.named[condemned.Digest] = true
		}
	}
	for _, entry := range trash {
		d.named[entry.Digest] = true
	}
	return nil
}

// nameTag names what a tag stands for; of one that is gone, what it stood for when it was removed last.
func (d *destruction) nameTag(ctx context.Context, ns oci.Name, tag oci.Tag, trash []removedThing) error {
	stored, err := d.m.Tag(ctx, ns, tag)
	if err == nil {
		d.tags = append(d.tags, storeRef{ns, tag, stored.Digest})
		d.named[stored.Digest] = true
	}
	if !errors.Is(err, registry.ErrGone) {
		return err
	}
	for _, entry := range slices.Backward(trash) {
		if entry.Tag == tag {
			d.named[entry.Digest] = true
			break
		}
	}
	return nil
}

// follow adds what is named of a namespace, and what the manifests among that name. Who names a digest alone does not
// mean the children of an index in a namespace that never held the index.
func (d *destruction) follow(ctx context.Context, ns oci.Name, trash []removedThing) error {
	chosen := map[oci.Digest]bool{}
	d.chosen.Digests[ns] = chosen
	var next []oci.Digest
	inTrash := map[oci.Digest]bool{}
	for _, entry := range trash {
		inTrash[entry.Digest] = true
	}
	for digest := range d.named {
		d.chosen.Bytes[digest] = true
		holds, err := d.holds(ctx, ns, digest)
		if err != nil {
			return err
		}
		if holds || inTrash[digest] {
			next = append(next, digest)
		}
	}
	removed := namesIn(trash)
	for len(next) > 0 {
		digest := next[len(next)-1]
		next = next[:len(next)-1]
		if chosen[digest] {
			continue
		}
		chosen[digest], d.chosen.Bytes[digest] = true, true
		names, err := d.names(ctx, ns, digest, removed)
		if err != nil {
			return err
		}
		next = append(next, names...)
	}
	return nil
}

// holds tells whether a namespace holds a manifest or a blob.
func (d *destruction) holds(ctx context.Context, ns oci.Name, digest oci.Digest) (holds bool, err error) {
	for _, kind := range []registry.Kind{registry.KindManifest, registry.KindLink} {
		holds, err = d.m.Exists(ctx, registry.Object{Kind: kind, Namespace: ns, Digest: digest})
		if holds || err != nil {
			break
		}
	}
	return holds, err
}

func (d *destruction) addThing(ctx context.Context, o registry.Object) error {
	there, err := d.m.Exists(ctx, o)
	if there {
		d.things = append(d.things, o)
	}
	return err
}

// summary is what goes, for the question.
func (d *destruction) summary() string {
	count := map[registry.Kind]int{registry.KindTag: len(d.tags)}
	for _, thing := range d.things {
		count[thing.Kind]++
	}
	return fmt.Sprintf("%s (%s, %s, %s, and what the trash has of it)", d.ref,
		counted(count[registry.KindTag], "tag"), counted(count[registry.KindManifest], "manifest"), counted(count[registry.KindBlob], "blob"))
}

// carryOut destroys what was chosen under one claim: another collector that came between would find half of it.
func (d *destruction) carryOut(ctx context.Context, collector *gc.Collector) (rows []destroyedRow, err error) {
	held, release, err := d.m.ClaimCollector(ctx, holder(time.Now()))
	if err != nil {
		return nil, collecting(err)
	}
	defer release()
	// Before that which would bring it back goes: it may be that nothing can be destroyed.
	if err := collector.Try(held, d.options()); err != nil {
		return nil, err
	}
	if err := d.remove(held); err != nil {
		return nil, err
	}
	report, err := d.collect(held, collector)
	if err != nil {
		return nil, err
	}
	return d.outcome(held, report)
}

// remove takes away the tags, and what could bring something back.
func (d *destruction) remove(ctx context.Context) error {
	for _, tag := range d.tags {
		if err := d.removeTag(ctx, tag); err != nil {
			return err
		}
	}
	for _, ns := range d.spaces {
		if len(d.chosen.Digests[ns]) == 0 {
			continue
		}
		trash, err := d.findNeeded(ctx, ns)
		if err != nil {
			return err
		}
		deleted, err := d.deleteReferrers(ctx, ns)
		if err != nil {
			return err
		}
		if deleted > 0 { // and once more: somebody may have pushed what needs one of them meanwhile
			if trash, err = d.findNeeded(ctx, ns); err != nil {
				return err
			}
		}
		if err := d.dropTrash(ctx, ns, trash); err != nil {
			return err
		}
	}
	return nil
}

// aloneFromItsSubject tells whether a manifest goes that refers to another one. The collector lets it stay for as long as
// its subject, so it is deleted as a client does, which takes all of its tags: not where one tag was named.
func (d *destruction) aloneFromItsSubject(digest oci.Digest) bool {
	return d.named[digest] && d.ref.Tag.IsZero()
}

// deleteReferrers deletes the manifests that go alone from their subject.
func (d *destruction) deleteReferrers(ctx context.Context, ns oci.Name) (deleted int, err error) {
	for digest := range d.named {
		if _, needed := d.needed[ns][digest]; needed || !d.aloneFromItsSubject(digest) {
			continue
		}
		names, err := d.namesOf(ctx, ns, digest)
		if err != nil {
			return deleted, err
		}
		if names.Subject == nil {
			continue
		}
		if err := d.registry.DeleteManifest(ctx, ns, digest, destroyer()); err != nil && !errors.Is(err, registry.ErrManifestUnknown) {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

// destroyer is who removes something, for its history.
func destroyer() string { return "sreg gc destroy (" + operator() + ")" }

func (d *destruction) removeTag(ctx context.Context, tag storeRef) error {
	for {
		stored, err := d.m.Tag(ctx, tag.Namespace, tag.Tag)
		if err == nil && stored.Digest == tag.Digest {
			err = d.m.RemoveTag(ctx, tag.Namespace, stored, destroyer(), "destroyed")
		}
		if errors.Is(err, registry.ErrTagChanged) {
			continue // it was pushed again meanwhile
		}
		if errors.Is(err, registry.ErrGone) {
			return nil
		}
		return err
	}
}

// options are those of each run of the collector.
func (d *destruction) options() gc.RunOptions {
	all := 100.0
	return gc.RunOptions{Only: gc.CollectPart, Chosen: &d.chosen, MaxDelete: &all, Claimed: true}
}

// collect destroys what nothing needs of it, in as many runs as that takes, and explains what is left.
func (d *destruction) collect(ctx context.Context, collector *gc.Collector) (*gc.Report, error) {
	for range emptyRuns {
		report, err := collector.Run(ctx, d.options())
		if err != nil {
			return nil, err
		}
		if report.Awaiting.Objects+report.Freed.Objects == 0 {
			break
		}
	}
	opts := d.options()
	opts.DryRun = true
	return collector.Run(ctx, opts)
}

// destroyedRow is what is shown of one thing.
type destroyedRow struct {
	Result string        `json:"result"` // destroyed, or destroy before it is done; stays
	Kind   registry.Kind `json:"kind"`
	Ref    string        `json:"ref"`
	Why    []string      `json:"why,omitempty"` // it stays, one step after the other

	named bool
}

const toDestroy, destroyed, stays = "destroy", "destroyed", "stays"

// cells are its columns: of many reasons the first.
func (r destroyedRow) cells() []string {
	why := strings.Join(r.Why[:min(len(r.Why), 1)], "")
	if more := len(r.Why) - 1; more > 0 {
		why += fmt.Sprintf(", and %s more", counted(more, "reason"))
	}
	return []string{r.Result, string(r.Kind), r.Ref, why}
}

// outcome looks once more for all that was there. Of links it tells with the bytes.
func (d *destruction) outcome(ctx context.Context, report *gc.Report) ([]destroyedRow, error) {
	var rows []destroyedRow
	for _, tag := range d.tags {
		row := destroyedRow{Result: destroyed, Kind: registry.KindTag, Ref: storeRef{Namespace: tag.Namespace, Tag: tag.Tag}.String(), named: true}
		stored, err := d.m.Tag(ctx, tag.Namespace, tag.Tag)
		if err == nil {
			row.Result, row.Why = stays, []string{fmt.Sprintf("it was pushed again meanwhile, and stands for %s", stored.Digest)}
		} else if !errors.Is(err, registry.ErrGone) {
			return nil, err
		}
		rows = append(rows, row)
	}
	linked := map[oci.Digest]bool{}
	for _, thing := range d.things {
		there, err := d.m.Exists(ctx, thing)
		if err != nil {
			return nil, err
		}
		if thing.Kind == registry.KindLink {
			linked[thing.Digest] = linked[thing.Digest] || there
			continue
		}
		row := destroyedRow{Result: destroyed, Kind: thing.Kind, Ref: storeRef{Namespace: thing.Namespace, Digest: thing.Digest}.String()}
		// Where a whole namespace was named, another one may hold the same bytes.
		row.named = d.named[thing.Digest] && (thing.Kind != registry.KindBlob || d.chosen.Whole.IsZero() || linked[thing.Digest])
		if there || slices.Contains(d.kept, thing) { // kept: it can be restored
			row.Result, row.Why = stays, d.whyItStays(report, thing)
		}
		rows = append(rows, row)
	}
	return append(rows, d.keptRows(report)...), nil
}

// keptRows are those of the manifests that stay in the trash.
func (d *destruction) keptRows(report *gc.Report) (rows []destroyedRow) {
	for _, thing := range d.kept {
		if !slices.Contains(d.things, thing) {
			ref := storeRef{Namespace: thing.Namespace, Digest: thing.Digest}
			rows = append(rows, destroyedRow{Result: stays, Kind: thing.Kind, Ref: ref.String(), Why: d.whyItStays(report, thing), named: d.named[thing.Digest]})
		}
	}
	return rows
}

// whyItStays is what the collector says of a manifest; of bytes, what it says of each link to them.
func (d *destruction) whyItStays(report *gc.Report, o registry.Object) (why []string) {
	manifest, link := fmt.Sprintf("manifest %s in %s", o.Digest, o.Namespace), fmt.Sprintf("blob %s in ", o.Digest)
	for _, explained := range report.Explanation {
		switch {
		case !explained.Stays:
		case o.Kind == registry.KindManifest && d.aloneFromItsSubject(o.Digest) && strings.HasPrefix(explained.Why[0], "it refers to manifest "):
		case o.Kind == registry.KindManifest && explained.What == manifest:
			why = append(why, strings.Join(explained.Why, ", "))
		case o.Kind == registry.KindBlob && strings.HasPrefix(explained.What, link):
			why = append(why, strings.TrimPrefix(explained.What, link)+" holds it: "+strings.Join(explained.Why, ", "))
		}
	}
	if why == nil {
		why = d.whyNeeded(o)
	}
	if why == nil {
		why = []string{"its upload is still open, or something that can be restored, or is condemned, names it"}
	}
	return why
}

// whyNeeded is why other things need a chosen thing, so that what restores it had to stay.
func (d *destruction) whyNeeded(o registry.Object) (why []string) {
	for _, ns := range d.spaces {
		needs, needed := d.needed[ns][o.Digest]
		switch {
		case !needed:
		case o.Kind == registry.KindBlob:
			why = append(why, fmt.Sprintf("%s needs it: %s", ns, needs))
		case o.Namespace == ns:
			why = append(why, needs)
		}
	}
	return why
}

// failure says what of that which was named is there still, or would be.
func (d *destruction) failure(ctx context.Context, rows []destroyedRow) error {
	var named []string
	for _, row := range rows {
		if row.Result == stays && row.named {
			named = append(named, row.Ref)
		}
	}
	if named == nil {
		return nil
	}
	hint, err := d.hint(ctx)
	if err != nil {
		return err
	}
	words := "not destroyed"
	if d.planned {
		words = "would stay"
	}
	return hintedError{fmt.Errorf("%s: %s", words, strings.Join(named, ", ")), hint}
}

// hint says how that goes, too, which stays. Of a tag that is its manifest, if other tags alone stand for that.
func (d *destruction) hint(ctx context.Context) (string, error) {
	for digest := range d.named {
		if d.ref.Tag.IsZero() || len(d.named) > 1 {
			break
		}
		tags, _, err := d.registry.TagsOf(ctx, d.ref.Namespace, digest, tagsShown+1)
		if err != nil {
			return "", err
		}
		others := slices.DeleteFunc(tags, func(tag oci.Tag) bool { return tag == d.ref.Tag })
		if len(others) == 0 {
			return fmt.Sprintf("destroy first what needs it, as the table says; if it only refers to another manifest, sreg gc destroy %s takes it alone",
				storeRef{Namespace: d.ref.Namespace, Digest: digest}), nil
		}
		words := make([]string, 0, tagsShown)
		for _, tag := range others[:min(len(others), tagsShown)] {
			words = append(words, tag.String())
		}
		if len(others) > tagsShown {
			words = append(words, "...")
		}
		return fmt.Sprintf("its other tags go with it by sreg gc destroy %s: %s", storeRef{Namespace: d.ref.Namespace, Digest: digest}, strings.Join(words, ", ")), nil
	}
	return "destroy first what needs it, as the table says", nil
}

// tagsShown is how many other tags of a manifest a hint names.
const tagsShown = 5

// others counts what stays of that which was not named itself.
func others(rows []destroyedRow) (n int) {
	for _, row := range rows {
		if row.Result == stays && !row.named {
			n++
		}
	}
	return n
}
