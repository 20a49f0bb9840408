package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// client is a Registry of its own on a store: to the others on it, another process.
type client struct {
	*world
	config registry.Config
}

func newClient(t *testing.T, at opener, set ...func(*registry.Config)) *client {
	t.Helper()
	s := at(t)
	t.Cleanup(func() { s.Close() })
	config := registry.DefaultConfig()
	for _, one := range set {
		one(&config)
	}
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New(t.Context(), registry.Options{Blobs: s, Metadata: s, Locks: memory.New(), Config: config})
	if err != nil {
		t.Fatal(err)
	}
	if err := reg.Maintenance().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &client{world: &world{t: t, ctx: t.Context(), reg: reg, store: s}, config: config}
}

// atOnce runs n calls, all released at the same moment, and waits for them.
func atOnce(n int, do func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wg.Wait()
}

func (c *client) check(t *testing.T, facts ...registrytest.Fact) []string {
	t.Helper()
	return registrytest.Check(t, c.subject(), facts...)
}

func parseTag(t *testing.T, s string) oci.Tag {
	t.Helper()
	tag, err := oci.ParseTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

func TestManyReferrersAtOnce(t *testing.T) {
	t.Parallel()
	const count, pushers = 500, 10
	folder := inFolder(t)
	clients := []*client{newClient(t, folder), newClient(t, folder)}
	clients[0].must(clients[0].pushImage(app, "one", tagV1))
	atOnce(pushers, func(p int) {
		for i := p; i < count; i += pushers {
			content := strings.Replace(string(referrerManifest()), "{", fmt.Sprintf(`{"n":%d,`, i), 1)
			_, err := clients[i%2].reg.PutManifest(t.Context(), app, registry.Push{ContentType: "application/vnd.example.sbom+json", Content: []byte(content)})
			if err != nil {
				t.Errorf("push referrer %d: %v", i, err)
			}
		}
	})
	for _, c := range clients {
		all, err := c.reg.Referrers(t.Context(), app, imageDigest("one"))
		if err != nil || len(all) != count {
			t.Errorf("%d referrers, %v, want %d", len(all), err, count)
		}
	}
}

func TestManyTagsAtOnce(t *testing.T) {
	t.Parallel()
	const count, pushers = 500, 10
	folder := inFolder(t)
	clients := []*client{newClient(t, folder), newClient(t, folder)}
	clients[0].must(clients[0].pushImage(app, "one"))
	atOnce(pushers, func(p int) {
		for i := p; i < count; i += pushers {
			_, err := clients[i%2].reg.PutManifest(t.Context(), app, registry.Push{
				Tags: []oci.Tag{parseTag(t, fmt.Sprintf("T%03d", i))}, ContentType: oci.MediaTypeImageManifest, Content: imageManifest("one", ""),
			})
			if err != nil {
				t.Errorf("push tag %d: %v", i, err)
			}
		}
	})
	for _, c := range clients {
		tags, more, err := c.reg.ListTags(t.Context(), app, "", count)
		if err != nil || more || len(tags) != count || tags[0] != "T000" || tags[count-1] != "T499" {
			t.Errorf("%d tags, more %t, %v, want %d", len(tags), more, err, count)
		}
	}
	if dangling := clients[0].check(t); len(dangling) > 0 {
		t.Errorf("what is gone is named by %q", dangling)
	}
}

func TestTwoPushersOfOneTag(t *testing.T) {
	t.Parallel()
	for range 10 {
		folder := inFolder(t)
		clients := []*client{newClient(t, folder), newClient(t, folder)}
		clients[0].must(clients[0].pushBlob(app, "config base"), clients[0].pushBlob(app, "layer base"))
		atOnce(2, func(i int) {
			if err := clients[i].pushManifest(app, oci.MediaTypeImageManifest, imageManifest("base", fmt.Sprint(i)), tagV1); err != nil {
				t.Errorf("push %d: %v", i, err)
			}
		})
		won, err := clients[0].reg.GetManifest(t.Context(), app, oci.Reference{Tag: tagV1})
		if err != nil {
			t.Fatal(err)
		}
		other := oci.DigestOf(oci.SHA256, imageManifest("base", "0"))
		if won.Digest == other {
			other = oci.DigestOf(oci.SHA256, imageManifest("base", "1"))
		}
		record, err := clients[1].store.Get(t.Context(), "team/app/_manifests/tags/v1")
		if err != nil || strings.Count(string(record.Data), other.String()) != 1 || !strings.Contains(string(record.Data), `"former":[{"digest":"`+other.String()) {
			t.Errorf("the tag's record is %s, %v, want %s as its former value", record.Data, err, other)
		}
		clients[1].check(t, registrytest.TagIs(app, tagV1, won.Digest))
	}
}

// TestPushAgainstDelete: whichever comes first, the manifest and what leads to it are there together
// or not at all; and a push that comes after them all is there.
func TestPushAgainstDelete(t *testing.T) {
	t.Parallel()
	image := imageManifest("one", "")
	d := imageDigest("one")
	for _, tt := range []struct {
		name   string
		remove func(ctx context.Context, r *registry.Registry) error
	}{
		{"of the tag", func(ctx context.Context, r *registry.Registry) error { return r.DeleteTag(ctx, app, tagV1, "") }},
		{"of the manifest", func(ctx context.Context, r *registry.Registry) error { return r.DeleteManifest(ctx, app, d, "") }},
		{"of a blob", func(ctx context.Context, r *registry.Registry) error {
			return r.DeleteBlob(ctx, app, oci.DigestOf(oci.SHA256, []byte("layer one")), "")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			folder := inFolder(t)
			clients := []*client{newClient(t, folder), newClient(t, folder)}
			for range 20 {
				clients[0].must(clients[0].pushImage(app, "one", tagV1))
				atOnce(4, func(i int) {
					c := clients[i/2]
					if i%2 == 0 {
						if err := tt.remove(t.Context(), c.reg); err != nil && !isUnknown(err) {
							t.Errorf("delete: %v", err)
						}
						return
					}
					_, err := c.reg.PutManifest(t.Context(), app, registry.Push{Tags: []oci.Tag{tagV1, tagBig}, ContentType: oci.MediaTypeImageManifest, Content: image})
					var missing *registry.MissingError
					if err != nil && !errors.As(err, &missing) {
						t.Errorf("push: %v", err)
					}
				})
				clients[0].tagsFollowTheManifest(t, clients[1], d)
			}
			clients[0].must(clients[1].pushImage(app, "one", tagV1))
			clients[0].check(t, clients[1].acknowledged...)
		})
	}
}

// tagsFollowTheManifest asks two processes by name.
func (c *client) tagsFollowTheManifest(t *testing.T, other *client, d oci.Digest) {
	t.Helper()
	_, err := c.reg.GetManifest(t.Context(), app, oci.Reference{Digest: d})
	for _, one := range []*client{c, other} {
		for _, tag := range []oci.Tag{tagV1, tagBig} {
			_, tagErr := one.reg.GetManifest(t.Context(), app, oci.Reference{Tag: tag})
			if isUnknown(err) && !isUnknown(tagErr) {
				t.Errorf("tag %s of a manifest that is gone reads as %v", tag, tagErr)
			}
		}
	}
	if err != nil && !isUnknown(err) {
		t.Errorf("get: %v", err)
	}
}

func TestTwoProcessesSeeEachOthersWritesAtOnce(t *testing.T) {
	t.Parallel()
	folder := inFolder(t)
	a, b := newClient(t, folder), newClient(t, folder)
	for i := range 20 {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		name := fmt.Sprint("image ", i)
		from.acknowledged = nil
		facts := from.must(from.pushImage(app, name, tagV1, tagBig))
		for _, fact := range facts {
			if err := fact.Holds(t.Context(), to.reg); err != nil {
				t.Fatalf("round %d: %s: %v", i, fact.Name, err)
			}
		}
		from.must(from.reg.DeleteTag(t.Context(), app, tagBig, ""))
		from.must(from.reg.DeleteManifest(t.Context(), app, imageDigest(name), ""))
		for _, fact := range []registrytest.Fact{registrytest.NoTag(app, tagV1), registrytest.NoTag(app, tagBig), registrytest.NoManifest(app, imageDigest(name))} {
			if err := fact.Holds(t.Context(), to.reg); err != nil {
				t.Fatalf("round %d, after the delete: %s: %v", i, fact.Name, err)
			}
		}
	}
}

// TestOneSessionOfTwoClients: each chunk is taken once, whole, and the blob is what was acknowledged.
func TestOneSessionOfTwoClients(t *testing.T) {
	t.Parallel()
	folder := inFolder(t)
	clients := []*client{newClient(t, folder), newClient(t, folder)}
	upload, err := clients[0].reg.StartUpload(t.Context(), app, oci.SHA256, "")
	clients[0].must(err)
	const chunks, size = 30, 1000
	whole := &strings.Builder{}
	for i := range chunks {
		piece := strings.Repeat(string(rune('a'+i%26)), size)
		var taken atomic.Int64
		atOnce(2, func(c int) {
			_, err := clients[c].reg.AppendUpload(t.Context(), app, upload.ID, registry.Chunk{Body: strings.NewReader(piece), Start: int64(i * size)})
			var out *registry.RangeError
			switch {
			case err == nil:
				taken.Add(1)
			case errors.As(err, &out):
				if out.Size != int64((i+1)*size) {
					t.Errorf("chunk %d: told to go on at %d", i, out.Size)
				}
			default:
				t.Errorf("chunk %d: %v", i, err)
			}
		})
		if taken.Load() != 1 {
			t.Fatalf("chunk %d was taken %d times", i, taken.Load())
		}
		whole.WriteString(piece)
	}
	var completed atomic.Int64
	d := oci.DigestOf(oci.SHA256, []byte(whole.String()))
	atOnce(2, func(c int) {
		err := clients[c].reg.CompleteUpload(t.Context(), app, upload.ID, registry.Chunk{Start: -1}, d)
		if err == nil {
			completed.Add(1)
		} else if !errors.Is(err, registry.ErrUploadUnknown) {
			t.Errorf("complete: %v", err)
		}
	})
	if completed.Load() != 1 {
		t.Errorf("the session was completed %d times", completed.Load())
	}
	clients[1].check(t, registrytest.BlobIs(app, []byte(whole.String())))
}

func TestAnImmutableTagHasOneWinner(t *testing.T) {
	t.Parallel()
	folder := inFolder(t)
	locked := func(c *registry.Config) { c.ImmutableTags.Enabled = true }
	clients := []*client{newClient(t, folder, locked), newClient(t, folder, locked)}
	clients[0].must(clients[0].pushBlob(app, "config base"), clients[0].pushBlob(app, "layer base"))
	for round := range 10 {
		tag := parseTag(t, fmt.Sprint("v", round))
		var won atomic.Pointer[oci.Digest]
		atOnce(16, func(i int) {
			pushed, err := clients[i%2].reg.PutManifest(t.Context(), app, registry.Push{
				Tags: []oci.Tag{tag}, ContentType: oci.MediaTypeImageManifest, Content: imageManifest("base", fmt.Sprint(round, " ", i)),
			})
			var denied *registry.ImmutableTagError
			switch {
			case err == nil:
				if !won.CompareAndSwap(nil, &pushed.Digest) {
					t.Errorf("round %d has two winners", round)
				}
			case !errors.As(err, &denied) || denied.Tag != tag:
				t.Errorf("push: %v, want that %s is immutable", err, tag)
			}
		})
		if won.Load() == nil {
			t.Fatalf("round %d has no winner", round)
		}
		clients[1].check(t, registrytest.TagIs(app, tag, *won.Load()))
	}
}
