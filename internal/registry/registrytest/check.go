// Package registrytest pushes to a Registry for tests, and verifies that its stores keep the invariants S1 to
// S7 of docs/architecture.md, each by its name.
// It promises to look at the objects themselves, by a reading of the layout of its own, and to ask the
// Registry about each of them; a Registry that is wrong about its own keys does not hide that.
// It must not know what was done to the stores; what must have come out of it is told as Facts.
package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// Subject is a Registry and the stores that it lies on, which may be one.
type Subject struct {
	Registry *registry.Registry
	Blobs    storage.Store
	Metadata storage.Store
}

// Check verifies S1 to S6, and S4 by the facts that were acknowledged. S7 is no state of a store: it
// is verified by a run with a locker that excludes nobody, and then by this. The sessions that it
// finds are brought to their end, as that is what S6 promises. It returns what names something that
// is gone, which only removals may leave behind.
func Check(t *testing.T, s Subject, facts ...Fact) (dangling []string) {
	t.Helper()
	stock, err := takeStock(t.Context(), s)
	if err != nil {
		t.Fatalf("take stock: %v", err)
	}
	c := checker{t: t, s: s, stock: stock}
	c.keysApart()
	c.bytesMatch()
	c.targetsThere()
	c.linksOpen()
	c.acknowledged(facts)
	c.tagsWhole()
	c.sessionsGoOn()
	return c.dangling
}

type checker struct {
	t        *testing.T
	s        Subject
	stock    *stock
	dangling []string
}

// keysApart: no key is a '/'-prefix of another one, and every key is of the layout.
func (c *checker) keysApart() {
	for _, key := range c.stock.strange {
		c.t.Errorf("layout: key %q has no place in it", key)
	}
	keys := slices.Sorted(slices.Values(c.stock.keys))
	for i := 1; i < len(keys); i++ {
		if strings.HasPrefix(keys[i], keys[i-1]+"/") {
			c.t.Errorf("layout: key %q is a prefix of key %q", keys[i-1], keys[i])
		}
	}
}

// bytesMatch is S1: bytes under a final key are complete and hash to their digest.
func (c *checker) bytesMatch() {
	for d, b := range c.stock.blobs {
		if got := oci.DigestOf(d.Algorithm(), b.content); got != d {
			c.t.Errorf("S1: blob %s holds %d bytes of digest %s", d, len(b.content), got)
		}
	}
	for at, r := range c.stock.revisions {
		if got := oci.DigestOf(at.digest.Algorithm(), r.content); got != at.digest {
			c.t.Errorf("S1: revision %s in %s holds %d bytes of digest %s", at.digest, at.namespace, len(r.content), got)
		}
		if r.err != nil {
			c.t.Errorf("S1: revision %s in %s: %v", at.digest, at.namespace, r.err)
		}
	}
}

// targetsThere is S2: what names another thing was written after it. Where the target is gone all the
// same, what names it reads as absent.
func (c *checker) targetsThere() {
	for at := range c.stock.links {
		if _, there := c.stock.blobs[at.digest]; !there {
			c.dangle("link to blob %s in %s", at.digest, at.namespace)
			_, err := c.s.Registry.StatBlob(c.t.Context(), at.namespace, at.digest)
			if !errors.Is(err, registry.ErrBlobUnknown) {
				c.t.Errorf("S2: link to blob %s in %s, which is gone, reads as %v", at.digest, at.namespace, err)
			}
		}
	}
	for at, tag := range c.stock.tags {
		if _, there := c.stock.revisions[place{at.namespace, tag.Digest}]; !there {
			c.dangle("tag %s in %s", at.tag, at.namespace)
			_, err := c.s.Registry.GetManifest(c.t.Context(), at.namespace, oci.Reference{Tag: at.tag})
			if !errors.Is(err, registry.ErrManifestUnknown) {
				c.t.Errorf("S2: tag %s in %s, whose manifest is gone, reads as %v", at.tag, at.namespace, err)
			}
		}
		if !tag.Digest.IsZero() && !c.stock.tagEntries[at.namespace.String()+":"+tag.Digest.Hex()[:32]+":"+tag.Entry] {
			c.t.Errorf("S2: tag %s in %s has no tag entry %q, so that a delete of its manifest misses it", at.tag, at.namespace, tag.Entry)
		}
		if !c.stock.namespaces[at.namespace] {
			c.t.Errorf("S2: namespace %s has a tag and no entry in the catalog", at.namespace)
		}
	}
	for at := range c.stock.referrers {
		if _, there := c.stock.revisions[place{at.namespace, at.referrer}]; !there {
			c.dangle("referrer %s of %s in %s", at.referrer, at.subject, at.namespace)
		}
	}
	for at, r := range c.stock.revisions {
		if !c.stock.namespaces[at.namespace] {
			c.t.Errorf("S2: namespace %s has a manifest and no entry in the catalog", at.namespace)
		}
		c.referencesThere(at, r.manifest)
	}
}

// referencesThere looks at what a revision names within its namespace.
func (c *checker) referencesThere(at place, m oci.Manifest) {
	for _, blob := range m.Blobs() {
		_, linked := c.stock.links[place{at.namespace, blob.Digest}]
		_, there := c.stock.blobs[blob.Digest]
		if !linked || !there {
			c.dangle("revision %s in %s names blob %s", at.digest, at.namespace, blob.Digest)
		}
	}
	for _, child := range m.Children() {
		_, linked := c.stock.links[place{at.namespace, child.Digest}]
		_, bytes := c.stock.blobs[child.Digest]
		if _, there := c.stock.revisions[place{at.namespace, child.Digest}]; !there && !(linked && bytes) {
			c.dangle("revision %s in %s names manifest %s", at.digest, at.namespace, child.Digest)
		}
	}
}

func (c *checker) dangle(format string, args ...any) {
	c.dangling = append(c.dangling, fmt.Sprintf(format, args...))
}

// linksOpen is S3: a blob is readable in a namespace only if that namespace holds a link to it.
func (c *checker) linksOpen() {
	for d, b := range c.stock.blobs {
		for ns := range c.stock.seen {
			got, err := readBlob(c.t.Context(), c.s.Registry, ns, d)
			_, linked := c.stock.links[place{ns, d}]
			switch {
			case !linked && !errors.Is(err, registry.ErrBlobUnknown):
				c.t.Errorf("S3: blob %s reads as %d bytes, %v in %s, which has no link to it", d, len(got), err, ns)
			case linked && (err != nil || !bytes.Equal(got, b.content)):
				c.t.Errorf("S3: blob %s reads as %d bytes, %v in %s, which has a link to %d", d, len(got), err, ns, len(b.content))
			}
		}
	}
}

// acknowledged is S4, as far as a process can see it: what was answered with success is there.
func (c *checker) acknowledged(facts []Fact) {
	for _, fact := range facts {
		if err := fact.Holds(c.t.Context(), c.s.Registry); err != nil {
			c.t.Errorf("S4: %s: %v", fact.Name, err)
		}
	}
}

// tagsWhole is S5: the record of a tag is that of one push, and not a mix.
func (c *checker) tagsWhole() {
	for at, tag := range c.stock.tags {
		if tag.err != nil {
			c.t.Errorf("S5: tag %s in %s: %v", at.tag, at.namespace, tag.err)
			continue
		}
		r, there := c.stock.revisions[place{at.namespace, tag.Digest}]
		if there && (tag.Size != int64(len(r.content)) || tag.MediaType != r.mediaType) {
			c.t.Errorf("S5: tag %s in %s says %d bytes of %s, its revision has %d of %s",
				at.tag, at.namespace, tag.Size, tag.MediaType, len(r.content), r.mediaType)
		}
	}
}

// sessionsGoOn is S6: any instance can continue any session. This one adds bytes to each, completes it
// and reads the blob.
func (c *checker) sessionsGoOn() {
	for id, session := range c.stock.sessions {
		want := append(slices.Clone(session.content), "the end"...)
		d := oci.DigestOf(oci.SHA256, want)
		chunk := registry.Chunk{Body: strings.NewReader("the end"), Start: int64(len(session.content))}
		if err := c.s.Registry.CompleteUpload(c.t.Context(), session.namespace, id, chunk, d); err != nil {
			c.t.Errorf("S6: session %s of %s with %d bytes cannot go on: %v", id, session.namespace, len(session.content), err)
			continue
		}
		if got, err := readBlob(c.t.Context(), c.s.Registry, session.namespace, d); err != nil || !bytes.Equal(got, want) {
			c.t.Errorf("S6: session %s of %s became %d bytes, %v, want %d", id, session.namespace, len(got), err, len(want))
		}
	}
}
