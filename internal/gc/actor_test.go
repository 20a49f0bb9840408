package gc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// image is a manifest in a namespace, with all that it names and that refers to it.
type image struct {
	ocitest.Manifest
	ns        oci.Name
	children  []*image
	referrers []*image
}

// layers are what images share, so that many pushers have to do with each of them.
var layers = func() (list []string) {
	for i := range 12 {
		list = append(list, strings.Repeat(fmt.Sprintf("layer %d of all ", i), 1+200*i))
	}
	return list
}()

var spaces = []oci.Name{ocitest.Name("race/a"), ocitest.Name("race/b"), ocitest.Name("c")}

// newImage is an image of shared layers. Its note makes it differ from every other one.
func newImage(ns oci.Name, note string, subject *image) *image {
	var some []string
	for _, n := range rand.Perm(len(layers))[:1+rand.N(3)] {
		some = append(some, layers[n])
	}
	return imageOf(ns, note, subject, some...)
}

func imageOf(ns oci.Name, note string, subject *image, layers ...string) *image {
	var blobs []ocitest.Content
	for _, layer := range layers {
		blobs = append(blobs, ocitest.Layer(layer))
	}
	i := &image{ns: ns, Manifest: ocitest.ImageOf(ocitest.Config("{}"), blobs...).Note(note)}
	if subject != nil {
		i.Manifest = i.Refer(subject.Manifest)
	}
	return i
}

func newIndex(ns oci.Name, children ...*image) *image {
	i := &image{ns: ns, children: children}
	for _, child := range children {
		i.Children = append(i.Children, child.Manifest)
	}
	i.Manifest = ocitest.Index(i.Children...)
	return i
}

// push pushes all of an image that is not there, each blob in one of the ways that there are.
func push(reg *registry.Registry, i *image, tags ...oci.Tag) error {
	for _, child := range i.children {
		if err := push(reg, child); err != nil {
			return err
		}
	}
	for _, blob := range i.Blobs() {
		if err := pushBlob(reg, i.ns, blob); err != nil {
			return err
		}
	}
	return pusher(reg).PushManifest(context.Background(), i.ns, i.Content, tags...)
}

func pusher(reg *registry.Registry) registrytest.Pusher {
	return registrytest.Pusher{To: reg, By: "somebody"}
}

func pushBlob(reg *registry.Registry, ns oci.Name, blob ocitest.Content) error {
	ctx, d := context.Background(), blob.Digest
	var err error
	switch rand.N(3) {
	case 0:
		_, err = reg.StatBlob(ctx, ns, d)
	case 1:
		err = reg.MountBlob(ctx, ns, spaces[rand.N(len(spaces))], d)
	default:
		err = registry.ErrBlobUnknown
	}
	if !errors.Is(err, registry.ErrBlobUnknown) {
		return err
	}
	return pusher(reg).PushBlob(ctx, ns, blob)
}

// disturbed says that a push was told that something went away under it, as may happen with ages of fractions
// of a second.
func disturbed(err error) bool {
	var missing *registry.MissingError
	return errors.As(err, &missing) || errors.Is(err, registry.ErrDisturbed) || errors.Is(err, registry.ErrBlobUnknown) ||
		errors.Is(err, registry.ErrUploadUnknown)
}

// whole pulls an image with all that it names, and hashes it again.
func whole(reg *registry.Registry, i *image) error {
	m, err := reg.GetManifest(context.Background(), i.ns, oci.Reference{Digest: i.Digest})
	if err != nil {
		return err
	}
	if string(m.Content) != i.Text {
		return fmt.Errorf("manifest %s in %s has %d bytes, want %d", i.Digest, i.ns, len(m.Content), len(i.Text))
	}
	for _, blob := range i.Blobs() {
		if err := wholeBlob(reg, i.ns, blob.Digest); err != nil {
			return fmt.Errorf("manifest %s: %w", i.Digest, err)
		}
	}
	for _, child := range i.children {
		if err := whole(reg, child); err != nil {
			return fmt.Errorf("child of %s: %w", i.Digest, err)
		}
	}
	if len(i.referrers) == 0 {
		return nil
	}
	listed, err := registrytest.Referrers(context.Background(), reg, i.ns, i.Digest)
	if err != nil {
		return err
	}
	for _, referrer := range i.referrers {
		d := referrer.Digest
		if !slices.Contains(listed, d) {
			return fmt.Errorf("referrer %s of %s in %s is not listed", d, i.Digest, i.ns)
		}
		if err := whole(reg, referrer); err != nil {
			return fmt.Errorf("referrer of %s: %w", i.Digest, err)
		}
	}
	return nil
}

func wholeBlob(reg *registry.Registry, ns oci.Name, d oci.Digest) error {
	blob, err := reg.OpenBlob(context.Background(), ns, d)
	if err != nil {
		return err
	}
	defer blob.Content.Close()
	content, err := io.ReadAll(blob.Content)
	if err == nil && oci.DigestOf(oci.SHA256, content) != d {
		err = fmt.Errorf("blob %s in %s has %d other bytes", d, ns, len(content))
	}
	return err
}

// owner pushes, tags and deletes what nobody else does, beside others that use the same layers. So it knows
// what must be there, at any moment.
type owner struct {
	race   *race
	number int
	reg    *registry.Registry
	tags   map[place]*image
	gone   []*image // deleted by digest, and not pushed again
	former []*image // that had a tag once
	pushes int      // acknowledged
}

type place struct {
	ns  oci.Name
	tag oci.Tag
}

func newOwner(r *race, number int) *owner {
	return &owner{race: r, number: number, reg: r.process(r.pushers), tags: map[place]*image{}}
}

// act does one thing, and verifies that another one is there.
func (o *owner) act() {
	switch rand.N(11) {
	case 0, 1, 2:
		o.push(o.anyPlace(), o.newImage)
	case 3:
		o.push(o.anyPlace(), func(ns oci.Name) *image { return newIndex(ns, o.newImage(ns), o.newImage(ns)) })
	case 4:
		o.refer()
	case 5:
		o.retag()
	case 6:
		o.pushAgain()
	case 7:
		o.deleteTag()
	case 8:
		o.deleteManifest()
	case 9:
		o.deleteBlob()
	case 10:
		o.restore()
	}
	if at, there := o.some(); there {
		o.verify(at)
	}
}

func (o *owner) anyPlace() place {
	return place{spaces[rand.N(len(spaces))], ocitest.Tag(fmt.Sprintf("owner%d-%d", o.number, rand.N(5)))}
}

// some is a tag that there is.
func (o *owner) some() (at place, there bool) {
	if len(o.tags) == 0 {
		return at, false
	}
	all := slices.Collect(maps.Keys(o.tags))
	return all[rand.N(len(all))], true
}

func (o *owner) newImage(ns oci.Name) *image {
	return newImage(ns, fmt.Sprintf("of owner %d, %d", o.number, rand.Uint64()), nil)
}

// push makes a tag stand for an image. A push that was disturbed may have written the tag: it is deleted, so
// that it is known what stands.
func (o *owner) push(at place, of func(oci.Name) *image) {
	i := of(at.ns)
	err := push(o.reg, i, at.tag)
	o.gone = slices.DeleteFunc(o.gone, func(g *image) bool { return g == i })
	switch {
	case err == nil:
		o.replace(at, i)
		o.pushes++
		o.verify(at)
	case disturbed(err):
		o.untag(at)
	default:
		o.race.violate("push %s:%s: %v", at.ns, at.tag, err)
	}
}

func (o *owner) replace(at place, i *image) {
	if was, there := o.tags[at]; there {
		o.former = append(o.former, was)
		o.former = o.former[max(0, len(o.former)-20):]
	}
	delete(o.tags, at)
	if i != nil {
		o.tags[at] = i
	}
}

// refer pushes a manifest that refers to an image that has a tag.
func (o *owner) refer() {
	at, there := o.some()
	if !there {
		return
	}
	subject := o.tags[at]
	referrer := newImage(at.ns, fmt.Sprint(rand.Uint64()), subject)
	err := push(o.reg, referrer)
	switch {
	case err == nil:
		subject.referrers = append(subject.referrers, referrer)
		o.pushes++
	case !disturbed(err):
		o.race.violate("push of a referrer to %s: %v", at.ns, err)
	}
}

// retag makes one tag stand for what another one stands for.
func (o *owner) retag() {
	from, there := o.some()
	if !there {
		return
	}
	at := o.anyPlace()
	at.ns = from.ns
	o.push(at, func(oci.Name) *image { return o.tags[from] })
}

// pushAgain pushes what had a tag once, and so is about to go, or gone.
func (o *owner) pushAgain() {
	if len(o.former) == 0 {
		return
	}
	i := o.former[rand.N(len(o.former))]
	if !o.tagged(i) {
		i.referrers = nil // they may have gone with it
	}
	at := o.anyPlace()
	at.ns = i.ns
	o.push(at, func(oci.Name) *image { return i })
}

func (o *owner) tagged(i *image) bool {
	for _, other := range o.tags {
		if other == i {
			return true
		}
	}
	return false
}

func (o *owner) deleteTag() {
	if at, there := o.some(); there {
		o.untag(at)
	}
}

func (o *owner) untag(at place) {
	err := o.reg.DeleteTag(context.Background(), at.ns, at.tag, "somebody")
	if err != nil && !errors.Is(err, registry.ErrManifestUnknown) {
		o.race.violate("delete tag %s:%s: %v", at.ns, at.tag, err)
		return
	}
	o.replace(at, nil)
	o.verifyAbsent(at.ns, oci.Reference{Tag: at.tag})
}

// deleteManifest takes an image away with all its tags.
func (o *owner) deleteManifest() {
	at, there := o.some()
	if !there {
		return
	}
	i := o.tags[at]
	if err := o.reg.DeleteManifest(context.Background(), i.ns, i.Digest, "somebody"); err != nil {
		o.race.violate("delete manifest %s in %s: %v", i.Digest, i.ns, err)
		return
	}
	for at, other := range maps.Clone(o.tags) {
		if other == i {
			o.replace(at, nil)
			o.verifyAbsent(at.ns, oci.Reference{Tag: at.tag})
		}
	}
	o.gone = append(o.gone, i)
	o.verifyAbsent(i.ns, oci.Reference{Digest: i.Digest})
}

// restore brings back the last value of a tag that was removed. What was removed with it may have gone by then;
// what comes back is there like what was pushed.
func (o *owner) restore() {
	at := o.anyPlace()
	if _, there := o.tags[at]; there {
		return
	}
	done, err := o.reg.Maintenance().Restore(context.Background(), registry.RestoreOptions{Namespace: at.ns, Tag: at.tag, By: "somebody"})
	// Also a restore that came to nothing may have brought a manifest back.
	o.gone = slices.DeleteFunc(o.gone, func(g *image) bool { return g.ns == at.ns })
	if err != nil {
		if !disturbed(err) && !errors.Is(err, registry.ErrNotInTrash) {
			o.race.violate("restore %s:%s: %v", at.ns, at.tag, err)
		}
		o.untag(at)
		return
	}
	for _, one := range done {
		n := slices.IndexFunc(o.former, func(i *image) bool { return i.ns == at.ns && i.Digest == one.Digest })
		if one.Kind == registry.KindTag && n >= 0 {
			i := o.former[n]
			if !o.tagged(i) {
				i.referrers = nil // they may have gone with it
			}
			o.replace(at, i)
			o.verify(at)
			return
		}
	}
	o.untag(at) // it has come back as what was pushed too long ago to be known still
}

// deleteBlob takes a blob away that nobody else has.
func (o *owner) deleteBlob() {
	ns, blob := spaces[rand.N(len(spaces))], ocitest.Layer(fmt.Sprint("blob of one owner ", rand.Uint64()))
	d := blob.Digest
	err := pushBlob(o.reg, ns, blob)
	if err == nil {
		err = o.reg.DeleteBlob(context.Background(), ns, d, "somebody")
	}
	if err != nil && !disturbed(err) {
		o.race.violate("delete blob %s in %s: %v", d, ns, err)
	}
	if err := wholeBlob(o.race.reader, ns, d); err == nil || !errors.Is(err, registry.ErrBlobUnknown) {
		o.race.violate("blob %s in %s, which was deleted: %v", d, ns, err)
	}
}

// verify pulls what a tag stands for, also by another process.
func (o *owner) verify(at place) {
	i, there := o.tags[at]
	if !there {
		return
	}
	for _, reg := range []*registry.Registry{o.reg, o.race.reader} {
		m, err := reg.GetManifest(context.Background(), at.ns, oci.Reference{Tag: at.tag})
		switch {
		case err != nil:
			o.race.violate("tag %s:%s, which was acknowledged: %v", at.ns, at.tag, err)
		case m.Digest != i.Digest:
			o.race.violate("tag %s:%s stands for %s, want %s", at.ns, at.tag, m.Digest, i.Digest)
		}
		if err := whole(reg, i); err != nil {
			o.race.violate("what was acknowledged as %s:%s: %v", at.ns, at.tag, err)
		}
	}
}

func (o *owner) verifyAbsent(ns oci.Name, ref oci.Reference) {
	for _, reg := range []*registry.Registry{o.reg, o.race.reader} {
		if _, err := reg.GetManifest(context.Background(), ns, ref); !errors.Is(err, registry.ErrManifestUnknown) {
			o.race.violate("%s in %s, which was deleted: %v", ref, ns, err)
		}
	}
}

// verifyAll is for when nobody is at work any more.
func (o *owner) verifyAll() {
	for at := range o.tags {
		o.verify(at)
	}
	for _, i := range o.gone {
		o.verifyAbsent(i.ns, oci.Reference{Digest: i.Digest})
	}
	for _, ns := range spaces {
		listed, _, err := o.race.reader.ListTags(context.Background(), ns, "", 1000)
		if err != nil && !errors.Is(err, registry.ErrNameUnknown) { // no push came so far yet, or all was deleted
			o.race.violate("list tags of %s: %v", ns, err)
		}
		for at := range o.tags {
			if at.ns == ns && !slices.Contains(listed, at.tag.String()) {
				o.race.violate("tag %s:%s is not listed", ns, at.tag)
			}
		}
		for _, tag := range listed {
			_, mine := o.tags[place{ns, ocitest.Tag(tag)}]
			if strings.HasPrefix(tag, fmt.Sprintf("owner%d-", o.number)) && !mine {
				o.race.violate("tag %s:%s, which was deleted, is listed", ns, tag)
			}
		}
	}
}

// stranger pushes and deletes a few images that others push and delete, too. Nobody can say what must be left
// of them, but that it is whole.
type stranger struct {
	race *race
	reg  *registry.Registry
}

// common are the images of strangers, which refer to each other; free are those of them that no other names, so
// that a delete leaves none that is not whole.
var common, free = func() (all, free []*image) {
	for _, ns := range spaces {
		one, two := newImage(ns, "one of all", nil), newImage(ns, "two of all", nil)
		alone := []*image{newIndex(ns, one, two), newImage(ns, "refers", one), newImage(ns, "three of all", nil)}
		all = append(append(all, one, two), alone...)
		free = append(free, alone...)
	}
	return all, free
}()

func (s *stranger) act() {
	ctx := context.Background()
	i, victim := common[rand.N(len(common))], free[rand.N(len(free))]
	tag := ocitest.Tag(fmt.Sprint("all-", rand.N(3)))
	var err error
	switch rand.N(5) {
	case 0:
		err = push(s.reg, i)
	case 1, 2:
		err = push(s.reg, i, tag)
	case 3:
		err = s.reg.DeleteTag(ctx, i.ns, tag, "somebody")
	case 4:
		err = s.reg.DeleteManifest(ctx, victim.ns, victim.Digest, "somebody")
	}
	if err != nil && !disturbed(err) && !errors.Is(err, registry.ErrManifestUnknown) {
		s.race.violate("at work on what all have: %v", err)
	}
}
