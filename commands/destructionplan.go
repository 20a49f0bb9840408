package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// plan says what carryOut would do.
func (d *destruction) plan(ctx context.Context, collector *gc.Collector) (rows []destroyedRow, err error) {
	d.planned = true
	for _, ns := range d.spaces {
		if len(d.chosen.Digests[ns]) == 0 {
			continue
		}
		trash, err := d.findNeeded(ctx, ns)
		if err != nil {
			return nil, err
		}
		d.keepNeeded(ns, trash)
	}
	opts := d.options()
	opts.DryRun = true
	report, err := collector.Run(ctx, opts)
	if err != nil {
		return nil, err
	}
	for _, tag := range d.tags {
		rows = append(rows, destroyedRow{Result: toDestroy, Kind: registry.KindTag, Ref: storeRef{Namespace: tag.Namespace, Tag: tag.Tag}.String(), named: true})
	}
	for _, thing := range d.things {
		if thing.Kind == registry.KindLink {
			continue
		}
		row := destroyedRow{Result: toDestroy, Kind: thing.Kind, Ref: storeRef{Namespace: thing.Namespace, Digest: thing.Digest}.String(), named: d.named[thing.Digest]}
		others, err := d.whyOthersNeed(ctx, report, thing)
		if err != nil {
			return nil, err
		}
		if why := append(d.whyNeeded(thing), others...); len(why) > 0 {
			row.Result, row.Why = stays, why
			row.named = row.named && (thing.Kind != registry.KindBlob || d.chosen.Whole.IsZero() || d.whyNeeded(thing) != nil)
		}
		rows = append(rows, row)
	}
	return append(rows, d.keptRows(report)...), nil
}

// whyOthersNeed is why a thing stays although nothing in the namespaces names it that stays: bytes because of another
// namespace, and a manifest because of the one that it refers to.
func (d *destruction) whyOthersNeed(ctx context.Context, report *gc.Report, o registry.Object) (why []string, err error) {
	if o.Kind == registry.KindManifest {
		return d.whySubjectStays(ctx, o)
	}
	for _, explained := range report.Explanation {
		ns, ofLink := strings.CutPrefix(explained.What, fmt.Sprintf("blob %s in ", o.Digest))
		if explained.Stays && ofLink && !slices.ContainsFunc(d.spaces, func(one oci.Name) bool { return one.String() == ns }) {
			why = append(why, ns+" holds it: "+strings.Join(explained.Why, ", "))
		}
	}
	return why, nil
}

// whySubjectStays says that a manifest refers to one that is there and stays.
func (d *destruction) whySubjectStays(ctx context.Context, o registry.Object) ([]string, error) {
	names, err := d.namesOf(ctx, o.Namespace, o.Digest)
	if err != nil || names.Subject == nil || d.aloneFromItsSubject(o.Digest) {
		return nil, err
	}
	subject := names.Subject.Digest
	there, err := d.m.Exists(ctx, registry.Object{Kind: registry.KindManifest, Namespace: o.Namespace, Digest: subject})
	if _, needed := d.needed[o.Namespace][subject]; !there || d.chosen.Digests[o.Namespace][subject] && !needed {
		return nil, err
	}
	return []string{fmt.Sprintf("it refers to manifest %s", subject)}, err
}

// namesOf is what a manifest names; one that is gone names nothing.
func (d *destruction) namesOf(ctx context.Context, ns oci.Name, digest oci.Digest) (oci.Manifest, error) {
	stored, err := d.m.Manifest(ctx, ns, digest)
	if errors.Is(err, registry.ErrGone) {
		return oci.Manifest{}, nil
	}
	if err != nil {
		return oci.Manifest{}, err
	}
	return stored.Names()
}
