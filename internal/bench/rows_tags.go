package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

const manyTagsNamespace = "bench/many"

// manyTags is a namespace of 10,000 tags on the subject, the floor and the peer.
type manyTags struct {
	*stage
	sreg, floor, peer *server
	image             image
}

func manyTagsGroup(s *stage) group {
	m := &manyTags{stage: s}
	return group{name: "many tags", setUp: m.setUp, rows: []row{
		{"manifest-get-10000", "manifest GET by tag among 10,000", limit{atMost, 1.3, "x floor"}, m.manifestGet},
		{"manifest-head-10000", "manifest HEAD by tag among 10,000", limit{atMost, 1.3, "x floor"}, m.manifestHead},
		{"tags-page", "tags page of 100 from 10,000", limit{atMost, 0.05, "x Docker registry"}, m.page},
		{"tags-all", "the whole list of 10,000 tags", limit{atMost, 0.1, "x Docker registry"}, m.wholeList},
		{"push-10000", "small image push after 10,000 tags, sync: true", limit{atMost, 1.2, "x the empty one"}, m.push},
		{"delete-100000", "delete of a manifest by its digest among " + thousands(s.size.mostTags) + " tags, sync: true", limit{atMost, 20, "ms"}, m.deletes},
		{"push-10000-unsynced", "small image push after 10,000 tags, sync: false", limit{atMost, 1.2, "x the empty one"}, m.pushUnsynced},
	}}
}

func (m *manyTags) setUp(ctx context.Context) error {
	m.image = newImage(m.size.layer, 1)
	for _, side := range []struct {
		at **server
		of program
	}{{&m.sreg, m.programs.subject}, {&m.floor, m.programs.floor}, {&m.peer, m.programs.peer}} {
		srv, err := m.start(ctx, side.of)
		if err != nil {
			return err
		}
		if err := fillTags(ctx, srv, manyTagsNamespace, m.image, m.size.manyTags); err != nil {
			return err
		}
		*side.at = srv
	}
	return nil
}

// manifests reads all tags in a random order that every round and both sides share.
func (m *manyTags) manifests(ctx context.Context, of func(path string) request) (figures, error) {
	order := rand.New(rand.NewPCG(1, 1)).Perm(m.size.manyTags)
	requests := make([]request, len(order))
	for i, n := range order {
		requests[i] = of(manifestPath(manyTagsNamespace, tagName(n)))
	}
	l := load{clients: someClients, ops: m.size.gets, op: func(c *client, i int) error {
		_, err := c.do(requests[i%len(requests)], nil)
		return err
	}}
	return m.compare(ctx, timed{m.sreg, l}, timed{m.floor, l}, byWall)
}

func (m *manyTags) manifestGet(ctx context.Context) (figures, error) { return m.manifests(ctx, get) }

func (m *manyTags) manifestHead(ctx context.Context) (figures, error) {
	return m.manifests(ctx, headOf)
}

func (m *manyTags) page(ctx context.Context) (figures, error) {
	return m.list(ctx, fmt.Sprintf("/v2/%s/tags/list?n=%d", manyTagsNamespace, m.size.page), m.size.page)
}

func (m *manyTags) wholeList(ctx context.Context) (figures, error) {
	return m.list(ctx, "/v2/"+manyTagsNamespace+"/tags/list", m.size.manyTags)
}

func (m *manyTags) list(ctx context.Context, path string, want int) (figures, error) {
	return m.listing(ctx, m.sreg, m.peer, listing{path: path, key: "tags", want: want})
}

func (m *manyTags) push(ctx context.Context) (figures, error) {
	return m.pushOn(ctx, m.sreg)
}

// pushUnsynced goes on with the folder that is full already, as one server at a time may have it.
func (m *manyTags) pushUnsynced(ctx context.Context) (figures, error) {
	if err := m.sreg.stop(); err != nil {
		return figures{}, err
	}
	srv, err := m.startOn(ctx, m.programs.unsynced, m.sreg.dir)
	if err != nil {
		return figures{}, err
	}
	return m.pushOn(ctx, srv)
}

// pushOn compares pushes into the full namespace with pushes into one that holds a single image.
func (m *manyTags) pushOn(ctx context.Context, srv *server) (figures, error) {
	into := func(namespace func(round int) string, seed uint64) side {
		return func(ctx context.Context, round int) (usage, error) {
			if err := srv.do(ctx, func(c *client) error { return c.pushImage(namespace(round), "first", m.image) }); err != nil {
				return usage{}, err
			}
			prefix := fmt.Sprintf("%s-%d-", srv.name, round)
			images := newImages(m.size.layer, m.size.imagePushes, seed+uint64(round)<<16)
			return srv.measure(ctx, pushImages(namespace(round), prefix, images))
		}
	}
	full := into(func(int) string { return manyTagsNamespace }, seedOf(srv, 1))
	empty := into(func(round int) string { return fmt.Sprintf("bench/empty-%s-%d", srv.name, round) }, seedOf(srv, 2))
	return m.contest(ctx, full, empty, byWall)
}

// seedOf keeps the content of servers that share a folder apart.
func seedOf(srv *server, n uint64) uint64 { return n<<40 | uint64(srv.process)<<44 }

// listing is a request whose answer names things in an array.
type listing struct {
	path, key string
	want      int
}

// listing compares the listing on both, one client at a time, once the folders have settled.
func (s *stage) listing(ctx context.Context, ours, theirs *server, l listing) (figures, error) {
	time.Sleep(s.size.settle)
	for _, srv := range []*server{ours, theirs} {
		if err := srv.do(ctx, func(c *client) error { return c.checkListing(l) }); err != nil {
			return figures{}, fmt.Errorf("list on %s: %w", srv.name, err)
		}
	}
	ourOps := s.size.pages
	if l.want > s.size.page {
		ourOps = s.size.pages / 4
	}
	return s.compare(ctx,
		timed{ours, repeat(oneClient, ourOps, get(l.path))},
		timed{theirs, repeat(oneClient, s.size.walks, get(l.path))}, byWall)
}

// checkListing makes sure that what is timed is as long as it should be.
func (c *client) checkListing(l listing) error {
	var body bytes.Buffer
	if _, err := c.do(get(l.path), &body); err != nil {
		return err
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(body.Bytes(), &answer); err != nil {
		return fmt.Errorf("read %s: %w", l.path, err)
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(answer[l.key], &entries); err != nil {
		return fmt.Errorf("read %s of %s: %w", l.key, l.path, err)
	}
	if len(entries) != l.want {
		return fmt.Errorf("read %s: want %d %s, got %d", l.path, l.want, l.key, len(entries))
	}
	return nil
}

// deletes removes small images one by one, each with its tag, from a namespace that has very many. It is filled without
// syncs, which takes half as long.
func (m *manyTags) deletes(ctx context.Context) (figures, error) {
	const namespace = "bench/most"
	srv, err := m.start(ctx, m.programs.unsynced)
	if err != nil {
		return figures{}, err
	}
	if err := srv.do(ctx, func(c *client) error { return c.pushImage(namespace, "first", m.image) }); err != nil {
		return figures{}, err
	}
	_, err = srv.measure(ctx, load{clients: someClients, ops: m.size.mostTags, op: func(c *client, i int) error {
		return c.pushManifest(namespace, tagName(i), numbered(m.image, i))
	}})
	if err != nil {
		return figures{}, err
	}
	if err := srv.stop(); err != nil {
		return figures{}, err
	}
	if srv, err = m.startOn(ctx, m.programs.subject, srv.dir); err != nil {
		return figures{}, err
	}
	var f figures
	for round := range m.size.rounds {
		images := newImages(m.size.layer, m.size.walks, seedOf(srv, 3)+uint64(round)<<16)
		if _, err := srv.measure(ctx, pushImages(namespace, fmt.Sprintf("%d-", round), images)); err != nil {
			return figures{}, err
		}
		took, err := srv.measure(ctx, load{clients: oneClient, ops: len(images), op: func(c *client, i int) error {
			_, err := c.do(deleteOf(manifestPath(namespace, images[i].digest)), nil)
			return err
		}})
		if err != nil {
			return figures{}, err
		}
		f.samples = append(f.samples, took.wallEach().Seconds()*1000)
	}
	return f, m.discard(srv)
}
