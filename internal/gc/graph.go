package gc

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// graph is the manifests of one namespace and what they name. Nodes are manifests that are there, or that another
// one names; blobs are known by the numbers that the run gives them.
type graph struct {
	ns     oci.Name
	nodes  []node
	index  map[oci.Digest]int
	number func(blob oci.Digest) uint32
	images bool // keep them for the rules
	blobs  map[uint32]blobNeed
	tags   []tagEdge
	// annotations is the size of all annotations, in bytes.
	annotations int
	// whyNotAsked says why no rule could be asked; empty if the rules were asked.
	whyNotAsked string
}

// blobNeed says what a namespace needs a blob for, and so its link.
type blobNeed struct {
	needs need
	by    int32 // a kept manifest that names it, if it is kept
}

// node is one manifest.
type node struct {
	digest    oci.Digest
	there     bool // live or condemned
	condemned bool
	pending   bool
	back      oci.Tag   // the immutable tag for which it comes back from the trash
	since     time.Time // when it was condemned
	pushedAt  time.Time
	restored  time.Time // when it was restored, if that was its last push
	storedAt  time.Time
	size      int64 // bytes that the manifest takes in the store
	whole     int64 // bytes of it and of all blobs that it names
	image     *registry.Image
	subject   oci.Digest
	needs     need
	why       reason

	blobs     []uint32
	children  []int // those that it names
	referrers []int // those that stay with it, by their subject or by a tag
	tagged    bool
	index     bool // it names manifests and blobs alike
	depth     int  // 0: it names no other manifest; set by setDepths
}

// reason is why a node is kept.
type reason struct {
	text string
	from int // the node that keeps it, -1 if text alone says why
}

// tagEdge is a tag and what it stands for.
type tagEdge struct {
	stored  registry.StoredTag
	node    int
	subject int // the node that it belongs to by its name, -1 if it is an ordinary tag
	keep    bool
	verdict registry.Verdict // zero if no rule was asked
}

func newGraph(ns oci.Name, number func(oci.Digest) uint32) *graph {
	return &graph{ns: ns, index: map[oci.Digest]int{}, number: number, blobs: map[uint32]blobNeed{}}
}

// node finds the node of a digest, and makes one that is not there yet.
func (g *graph) node(d oci.Digest) int {
	if i, known := g.index[d]; known {
		return i
	}
	g.index[d] = len(g.nodes)
	g.nodes = append(g.nodes, node{digest: d})
	return len(g.nodes) - 1
}

// gone tells whether a manifest is neither there nor about to be.
func (g *graph) gone(d oci.Digest) bool {
	i, known := g.index[d]
	return !known || !g.nodes[i].there && !g.nodes[i].pending
}

// needBlob marks one blob.
func (g *graph) needBlob(number uint32, what need, by int) {
	n := g.blobs[number]
	if what == kept && n.needs&kept == 0 {
		n.by = int32(by)
	}
	n.needs |= what
	g.blobs[number] = n
}

// add adds a manifest that is live or condemned.
func (g *graph) add(stored *registry.Manifest, names oci.Manifest) {
	i := g.node(stored.Digest)
	if g.nodes[i].there {
		return
	}
	g.connect(i, stored, names)
	n := &g.nodes[i]
	n.there = true
	n.condemned = stored.Stored.Condemned
	n.pushedAt, n.restored, n.storedAt = stored.PushedAt, stored.RestoredAt, stored.Stored.StoredAt
	if g.images {
		n.image = &registry.Image{
			Digest: stored.Digest, PushedAt: stored.PushedAt, Size: n.whole, MediaType: names.MediaType,
			Platforms: platforms(names), Annotations: g.annotationsOf(names),
		}
	}
}

// addPending adds a manifest whose push is under way.
func (g *graph) addPending(p pending) {
	i := g.node(p.Digest)
	g.connect(i, p.Manifest, p.names)
	g.nodes[i].pending = true
}

// connect notes what a manifest names.
func (g *graph) connect(i int, stored *registry.Manifest, names oci.Manifest) {
	whole := int64(len(stored.Content))
	// Making the nodes of the children moves the others.
	var children []int
	for _, child := range names.Children() {
		children = append(children, g.node(child.Digest))
		whole += child.Size
	}
	blobs := allBlobs(names)
	numbers := make([]uint32, len(blobs))
	for k, blob := range blobs {
		numbers[k] = g.number(blob.Digest)
		if names.Config != nil { // else they are the children
			whole += blob.Size
		}
	}
	n := &g.nodes[i]
	n.blobs, n.children, n.index = numbers, children, names.Config == nil
	n.size, n.whole = stored.Stored.Size, whole
	if names.Subject != nil {
		n.subject = names.Subject.Digest
	}
}

// maxAnnotations bounds the annotations of one namespace that are kept in memory, in bytes: clients choose them,
// and a manifest may have megabytes of them.
const maxAnnotations = 64 << 20

func (g *graph) annotationsOf(m oci.Manifest) map[string]string {
	g.annotations += len(m.Annotations)
	if g.annotations > maxAnnotations {
		return nil
	}
	all, err := m.Annotations.Map()
	if err != nil {
		g.annotations = maxAnnotations + 1 // no parser lets them through, and no rule shall be asked without them
		return nil
	}
	return all
}

// allBlobs are all blobs that a manifest names, also foreign layers, which a push may leave out: whoever uploads
// one wants to keep it. What an index names may be a manifest or a blob.
func allBlobs(m oci.Manifest) []oci.Descriptor {
	if m.Config == nil {
		return m.Children()
	}
	return append([]oci.Descriptor{*m.Config}, m.Layers...)
}

func platforms(m oci.Manifest) []string {
	var list []string
	for _, child := range m.Manifests {
		if p := child.Platform; p != nil {
			list = append(list, strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/"))
		}
	}
	return list
}

// addReferrers gives each subject its referrers, live and condemned ones.
func (g *graph) addReferrers() {
	for i := range g.nodes {
		if g.nodes[i].subject.IsZero() {
			continue
		}
		if subject, known := g.index[g.nodes[i].subject]; known {
			g.nodes[subject].referrers = append(g.nodes[subject].referrers, i)
		}
	}
	for _, tag := range g.tags {
		if tag.subject >= 0 {
			g.nodes[tag.subject].referrers = append(g.nodes[tag.subject].referrers, tag.node)
		}
	}
}

// need marks a node, all that it names and its referrers as needed. A node keeps the first reason that it gets.
func (g *graph) need(root int, what need, why string) {
	type step struct{ node, from int }
	stack := []step{{root, -1}}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := &g.nodes[at.node]
		if n.needs&what != 0 {
			continue
		}
		n.needs |= what
		if what == kept {
			n.why = reason{text: why, from: at.from}
		}
		for _, blob := range n.blobs {
			g.needBlob(blob, what, at.node)
		}
		for _, child := range n.children {
			stack = append(stack, step{child, at.node})
		}
		for _, referrer := range n.referrers {
			stack = append(stack, step{referrer, at.node})
		}
	}
}

// setDepths counts the levels of manifests below each node, so that what names others can go before them.
// Manifests name each other by digest, so there are no circles.
func (g *graph) setDepths() {
	for i := range g.nodes {
		g.depthOf(i)
	}
}

func (g *graph) depthOf(i int) int {
	n := &g.nodes[i]
	if n.depth > 0 || len(n.children) == 0 {
		return n.depth
	}
	deepest := 0
	for _, child := range n.children {
		deepest = max(deepest, g.depthOf(child))
	}
	g.nodes[i].depth = deepest + 1
	return deepest + 1
}

// chain says why a node stays, one step after the other. In each line "it" is the manifest of the line before.
func (g *graph) chain(i int) []string {
	var lines []string
	for steps := 0; steps < len(g.nodes); steps++ {
		n := &g.nodes[i]
		if n.why.from < 0 {
			return append(lines, n.why.text)
		}
		from := &g.nodes[n.why.from]
		switch {
		case n.subject == from.digest:
			lines = append(lines, fmt.Sprintf("it refers to manifest %s", from.digest))
		case slices.Contains(from.children, i):
			lines = append(lines, fmt.Sprintf("manifest %s names it", from.digest))
		default:
			lines = append(lines, fmt.Sprintf("a tag of it belongs to manifest %s", from.digest))
		}
		i = n.why.from
	}
	return lines
}
