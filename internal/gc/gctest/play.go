package gctest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

// layerSize is that of every blob that is no config, in bytes: so a plan tells how many went.
const layerSize = 1024

// Play does what a script says, line by line. Whatever is pushed gets a name, by which later lines know
// it; REF is NS, NS:TAG or NS:TAG,TAG, and {NAME} in a tag are the digits of that digest.
//
//	image NAME REF WORD...    push an image. A WORD is a layer, subject=NAME, note=TEXT for an annotation,
//	                          foreign:LAYER or missing:LAYER, which are named and not pushed
//	index NAME REF WORD...    push an index. A WORD is a manifest, subject=NAME or missing:NAME
//	again NAME REF            push the same manifest once more
//	blob NAME NS              push a blob alone
//	mount NAME NS FROM        mount a blob from another namespace
//	upload NAME NS            begin to push a blob, and leave it at that
//	pull REF                  a client is given a manifest; NS:TAG or NS@NAME
//	delete NS:TAG             as a client does; or NS@NAME, a manifest or a blob
//	kill NS@NAME              delete a manifest, but be killed when the manifest itself is gone
//	wait DURATION             2h, or 3d
//	digests ALGORITHM         what is named from here on has a digest of that one
//	collect                   run the collector
func (w *World) Play(script string) {
	w.t.Helper()
	for line := range strings.Lines(script) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := w.play(words[0], words[1:]); err != nil {
			w.t.Fatalf("%s: %s", strings.TrimSpace(line), w.Names(err.Error()))
		}
	}
}

func (w *World) play(word string, args []string) error {
	w.t.Helper()
	switch {
	case word == "image" && len(args) >= 2:
		return w.image(args[0], args[1], args[2:])
	case word == "index" && len(args) >= 2:
		return w.index(args[0], args[1], args[2:])
	case word == "again" && len(args) == 2:
		return w.push(w.find(args[0]), args[1])
	case word == "blob" && len(args) == 2:
		return w.blob(w.name(args[1]), w.layer(args[0]))
	case word == "mount" && len(args) == 3:
		return w.Registry.MountBlob(w.t.Context(), w.name(args[1]), w.name(args[2]), w.Digest(args[0]))
	case word == "upload" && len(args) == 2:
		return w.leaveUpload(w.name(args[1]), w.layer(args[0]))
	case word == "pull" && len(args) == 1:
		return w.recordPull(args[0])
	case word == "delete" && len(args) == 1:
		return w.remove(w.Registry, args[0])
	case word == "kill" && len(args) == 1:
		return w.kill(args[0])
	case word == "wait" && len(args) == 1:
		return w.wait(args[0])
	case word == "digests" && len(args) == 1:
		algorithm, err := oci.ParseAlgorithm(args[0])
		w.algorithm = algorithm
		return err
	case word == "collect" && len(args) == 0:
		w.Collect()
		return nil
	}
	return errors.New("no such line, see gctest.World.Play")
}

func (w *World) wait(text string) error {
	if days, found := strings.CutSuffix(text, "d"); found {
		hours, err := time.ParseDuration(days + "h")
		w.Now = w.Now.Add(24 * hours)
		return err
	}
	d, err := time.ParseDuration(text)
	w.Now = w.Now.Add(d)
	return err
}

// add gives bytes a name.
func (w *World) add(name, mediaType, text string) *content {
	d := oci.DigestOf(w.algorithm, []byte(text))
	c := &content{Content: ocitest.Content{MediaType: mediaType, Text: text, Digest: d}}
	w.named[name] = c
	return c
}

// layer is a blob of that name, which may be there already.
func (w *World) layer(name string) *content {
	if c, known := w.named[name]; known {
		return c
	}
	return w.add(name, ocitest.LayerType, fmt.Sprintf("%-*s\n", layerSize-1, name))
}

const foreignType = "application/vnd.oci.image.layer.nondistributable.v1.tar"

func (w *World) image(name, ref string, words []string) error {
	ns := w.name(before(ref, ":"))
	doc := ocitest.Document{SchemaVersion: 2, MediaType: oci.MediaTypeImageManifest}
	config := w.add(name+".config", oci.MediaTypeImageConfig, `{"architecture":"amd64","os":"linux","of":"`+name+`"}`)
	about := config.Descriptor()
	doc.Config = &about
	if err := w.blob(ns, config); err != nil {
		return err
	}
	for _, word := range words {
		kind, layer, special := strings.Cut(word, ":")
		switch {
		case special && kind == "foreign":
			descriptor := w.layer(layer).Descriptor()
			descriptor.MediaType, descriptor.URLs = foreignType, json.RawMessage(`["https://example.com/`+layer+`"]`)
			doc.Layers = append(doc.Layers, descriptor)
		case special && kind == "missing":
			doc.Layers = append(doc.Layers, w.layer(layer).Descriptor())
		case w.option(&doc, word):
		default:
			c := w.layer(word)
			doc.Layers = append(doc.Layers, c.Descriptor())
			if err := w.blob(ns, c); err != nil {
				return err
			}
		}
	}
	return w.push(w.manifest(name, doc), ref)
}

// platforms are those of the manifests of an index, in turn.
var platforms = []string{"amd64", "arm64", "riscv64"}

func (w *World) index(name, ref string, words []string) error {
	doc := ocitest.Document{SchemaVersion: 2, MediaType: oci.MediaTypeImageIndex, Manifests: []oci.Descriptor{}}
	for _, word := range words {
		if w.option(&doc, word) {
			continue
		}
		child, missing := strings.CutPrefix(word, "missing:")
		if missing {
			w.layer(child)
		}
		c := w.find(child)
		descriptor := c.Descriptor()
		if missing {
			descriptor.MediaType = oci.MediaTypeImageManifest
		}
		descriptor.Platform = &oci.Platform{OS: "linux", Architecture: platforms[len(doc.Manifests)%len(platforms)]}
		doc.Manifests = append(doc.Manifests, descriptor)
	}
	return w.push(w.manifest(name, doc), ref)
}

// option reads a word that images and indexes have in common, and tells whether it is one.
func (w *World) option(doc *ocitest.Document, word string) bool {
	if subject, found := strings.CutPrefix(word, "subject="); found {
		descriptor := w.find(subject).Descriptor()
		doc.Subject = &descriptor
		return true
	}
	note, found := strings.CutPrefix(word, "note=")
	if found {
		doc.Annotations = map[string]string{"note": note}
	}
	return found
}

func (w *World) manifest(name string, doc ocitest.Document) *content {
	c := w.add(name, doc.MediaType, doc.Manifest().Text)
	c.manifest = true
	return c
}

// alice is who pushes.
func (w *World) alice() registrytest.Pusher { return registrytest.Pusher{To: w.Registry, By: "alice"} }

func (w *World) push(c *content, ref string) error {
	ns, tags, _ := strings.Cut(ref, ":")
	var all []oci.Tag
	for text := range strings.SplitSeq(tags, ",") {
		if text == "" {
			continue
		}
		tag, err := oci.ParseTag(w.expand(text))
		if err != nil {
			return err
		}
		all = append(all, tag)
	}
	return w.alice().PushManifest(w.t.Context(), w.name(ns), c.Content, all...)
}

// blob pushes a blob unless the namespace holds it, as clients do.
func (w *World) blob(ns oci.Name, c *content) error {
	if _, err := w.Registry.StatBlob(w.t.Context(), ns, c.Digest); err == nil {
		return nil
	}
	return w.alice().PushBlob(w.t.Context(), ns, c.Content)
}

// leaveUpload begins an upload, and does not complete it.
func (w *World) leaveUpload(ns oci.Name, c *content) error {
	session, err := w.Registry.StartUpload(w.t.Context(), ns, c.Digest.Algorithm(), "alice")
	if err != nil {
		return err
	}
	_, err = w.Registry.AppendUpload(w.t.Context(), ns, session.ID, registry.Chunk{Body: strings.NewReader(c.Text), Start: -1})
	return err
}

// recordPull tells the registry that a client pulls, and waits until that is recorded.
func (w *World) recordPull(ref string) error {
	ns, reference := w.reference(ref)
	stored, err := w.Registry.GetManifest(w.t.Context(), ns, reference)
	if err != nil {
		return err
	}
	w.Registry.NotePull(ns, reference, stored.Digest)
	ctx, cancel := context.WithCancel(w.t.Context())
	cancel() // it records what is left, and ends
	w.Registry.TrackPulls(ctx, w.must)
	return nil
}

func (w *World) remove(from *registry.Registry, what string) error {
	ns, name, byName := strings.Cut(what, "@")
	if !byName {
		ns, text, _ := strings.Cut(w.expand(what), ":")
		tag, err := oci.ParseTag(text)
		if err != nil {
			return err
		}
		return from.DeleteTag(w.t.Context(), w.name(ns), tag, "bob")
	}
	c := w.find(name)
	if c.manifest {
		return from.DeleteManifest(w.t.Context(), w.name(ns), c.Digest, "bob")
	}
	return from.DeleteBlob(w.t.Context(), w.name(ns), c.Digest, "bob")
}

// kill deletes a manifest in a process that ends when the manifest is gone, and nothing else is.
func (w *World) kill(what string) error {
	dying := &killable{Store: w.store}
	other, err := registry.New(w.t.Context(), registry.Options{
		Blobs: dying, Metadata: dying, Config: w.opts.Registry, Repositories: w.opts.Repositories,
		Now: func() time.Time { return w.Now },
	})
	if err != nil {
		return err
	}
	if err := w.remove(other, what); !errors.Is(err, errKilled) {
		return fmt.Errorf("it lives on: %w", err)
	}
	return nil
}

// killable is a Store that fails after its first delete, as if its process had been killed.
type killable struct {
	storage.Store
	dead bool
}

func (k *killable) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	if k.dead {
		return errKilled
	}
	k.dead = true
	return k.Store.Delete(ctx, key, opts)
}

func (k *killable) Get(ctx context.Context, key string) (storage.Value, error) {
	if k.dead {
		return storage.Value{}, errKilled
	}
	return k.Store.Get(ctx, key)
}

func (k *killable) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	if k.dead {
		return func(yield func(storage.Entry, error) bool) { yield(storage.Entry{}, errKilled) }
	}
	return k.Store.List(ctx, prefix, opts)
}

// verify reads content to its end and compares its digest.
func verify(d oci.Digest, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read blob %s: %w", d, err)
	}
	if got := oci.DigestOf(d.Algorithm(), data); got != d {
		return fmt.Errorf("blob %s has digest %s", d, got)
	}
	return nil
}

func before(text, separator string) string {
	text, _, _ = strings.Cut(text, separator)
	return text
}
