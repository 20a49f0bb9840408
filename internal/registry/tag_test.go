package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

func TestManyTagsAtOnce(t *testing.T) {
	t.Parallel()
	const count, pushers = 500, 10
	folder := inFolder(t)
	clients := []*world{newWorld(t, folder), newWorld(t, folder)}
	clients[0].must(clients[0].pushImage(app, "one"))
	atOnce(pushers, func(p int) {
		for i := p; i < count; i += pushers {
			pusher := registrytest.Pusher{To: clients[i%2].reg}
			if err := pusher.PushManifest(t.Context(), app, imageOne.Content, ocitest.Tag(fmt.Sprintf("T%03d", i))); err != nil {
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
	if dangling := clients[0].check(); len(dangling) > 0 {
		t.Errorf("what is gone is named by %q", dangling)
	}
}

func TestTwoPushersOfOneTag(t *testing.T) {
	t.Parallel()
	for range 10 {
		folder := inFolder(t)
		clients := []*world{newWorld(t, folder), newWorld(t, folder)}
		clients[0].must(clients[0].pushBlob(app, "config base"), clients[0].pushBlob(app, "layer base"))
		atOnce(2, func(i int) {
			if err := clients[i].pushManifest(app, ocitest.Image("base").Note(fmt.Sprint(i)).Content, tagV1); err != nil {
				t.Errorf("push %d: %v", i, err)
			}
		})
		won, err := clients[0].reg.GetManifest(t.Context(), app, oci.Reference{Tag: tagV1})
		if err != nil {
			t.Fatal(err)
		}
		other := ocitest.Image("base").Note("0").Digest
		if won.Digest == other {
			other = ocitest.Image("base").Note("1").Digest
		}
		record, err := clients[1].store.Get(t.Context(), "team/app/_manifests/tags/v1")
		if err != nil || strings.Count(string(record.Data), other.String()) != 1 || !strings.Contains(string(record.Data), `"former":[{"digest":"`+other.String()) {
			t.Errorf("the tag's record is %s, %v, want %s as its former value", record.Data, err, other)
		}
		clients[1].check(registrytest.TagIs(app, tagV1, won.Digest))
	}
}

func TestAnImmutableTagHasOneWinner(t *testing.T) {
	t.Parallel()
	folder := inFolder(t)
	clients := []*world{newWorld(t, folder, immutable), newWorld(t, folder, immutable)}
	clients[0].must(clients[0].pushBlob(app, "config base"), clients[0].pushBlob(app, "layer base"))
	for round := range 10 {
		tag := ocitest.Tag(fmt.Sprint("v", round))
		var won atomic.Pointer[oci.Digest]
		atOnce(16, func(i int) {
			image := ocitest.Image("base").Note(fmt.Sprint(round, " ", i))
			err := registrytest.Pusher{To: clients[i%2].reg}.PushManifest(t.Context(), app, image.Content, tag)
			var denied *registry.ImmutableTagError
			switch {
			case err == nil:
				if !won.CompareAndSwap(nil, &image.Digest) {
					t.Errorf("round %d has two winners", round)
				}
			case !errors.As(err, &denied) || denied.Tag != tag:
				t.Errorf("push: %v, want that %s is immutable", err, tag)
			}
		})
		if won.Load() == nil {
			t.Fatalf("round %d has no winner", round)
		}
		clients[1].check(registrytest.TagIs(app, tag, *won.Load()))
	}
}

// TestATagThatIsCondemnedCanBePushedAndDeleted: no collector of today condemns a tag, and a store may
// hold one all the same.
func TestATagThatIsCondemnedCanBePushedAndDeleted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w := newHooked(t, newSharedStore(t, inMemory(t)), func() {})
	w.ctx = ctx
	w.must(w.pushImage(app, "one", tagV1, tagBig))
	w.condemnAll()
	w.must(w.pushImage(app, "one", tagV1))
	w.must(w.reg.DeleteTag(ctx, app, tagBig, ""))
	registrytest.Check(t, w.subject(), registrytest.TagIs(app, tagV1, imageOne.Digest), registrytest.NoTag(app, tagBig))
}

func TestADeleteOfATag(t *testing.T) {
	t.Parallel()
	push := func(w *world) { w.must(w.pushImage(app, "one", tagV1)) }
	for _, tt := range []struct {
		name   string
		set    func(*registry.Options)
		before func(w *world)
		want   error
	}{
		{"that is there", asItIs, push, nil},
		{"that is not there", asItIs, func(*world) {}, registry.ErrManifestUnknown},
		{"of another namespace", asItIs, func(w *world) { w.must(w.pushImage(other, "one", tagV1)) }, registry.ErrManifestUnknown},
		{"whose manifest is gone", asItIs, func(w *world) {
			push(w)
			w.must(w.store.Delete(w.ctx, revisionOne.Key(), storage.DeleteOptions{}))
		}, registry.ErrManifestUnknown},
		{"that is immutable", immutable, push, &registry.ImmutableTagError{Tag: tagV1, Now: imageOne.Digest}},
		{"of a registry that is read-only", readOnly, func(*world) {}, registry.ErrReadOnly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t), tt.set)
			tt.before(w)
			err := w.reg.DeleteTag(w.ctx, app, tagV1, "bob")
			var got, want *registry.ImmutableTagError
			if errors.As(tt.want, &want) {
				if !errors.As(err, &got) || *got != *want {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			} else if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestATagKeepsTenFormerValues: each once for each time that it had it, and none for a push of what it has.
func TestATagKeepsTenFormerValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.must(w.pushImage(app, "one"))
	var want []oci.Digest
	for i := range 13 {
		m := imageOne.Note(fmt.Sprint(i))
		w.must(w.pushManifest(app, m.Content, tagV1), w.pushManifest(app, m.Content, tagV1))
		want = append([]oci.Digest{m.Digest}, want...)
	}
	history, err := w.reg.Maintenance().History(w.ctx, app, tagV1)
	w.must(err)
	var got []oci.Digest
	for _, value := range history {
		got = append(got, value.Digest)
	}
	if !slices.Equal(got, want[:11]) {
		t.Errorf("got %d values\n%v\nwant\n%v", len(got), got, want[:11])
	}
}

func TestTagsAreListedInLexicalOrderPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.must(w.pushImage(app, "one", tagV1, tagBig, ocitest.Tag("a"), ocitest.Tag("B")))
	w.put("team/app/_manifests/tags/not a tag", nil)
	all := []string{"B", "LATEST", "a", "v1"}
	for n := range 6 {
		var got []string
		last, pages := "", 0
		for more := true; more && pages < 5; pages++ {
			tags, next, err := w.reg.ListTags(w.ctx, app, last, n)
			w.must(err)
			if got, more = append(got, tags...), next; len(tags) > 0 {
				last = tags[len(tags)-1]
			}
		}
		want, wantPages := all, 1
		if n == 0 {
			want = nil
		} else {
			wantPages = (len(all) + n - 1) / n
		}
		if !slices.Equal(got, want) || pages != wantPages {
			t.Errorf("pages of %d: got %q on %d pages, want %q on %d", n, got, pages, want, wantPages)
		}
	}
	if _, _, err := w.reg.ListTags(w.ctx, other, "", 10); !errors.Is(err, registry.ErrNameUnknown) {
		t.Errorf("of a namespace to which nothing was pushed: got %v, want %v", err, registry.ErrNameUnknown)
	}
}

func TestTheTagsOfAManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	two := ocitest.Image("two")
	w.must(w.pushImage(app, "one", tagV1, tagBig, ocitest.Tag("a")), w.pushImage(app, "two", ocitest.Tag("B")), w.pushImage(other, "one", ocitest.Tag("c")))
	w.put("team/app/_manifests/tags/not a tag", nil)
	for _, tt := range []struct {
		d    oci.Digest
		n    int
		want string
	}{
		{imageOne.Digest, 10, "LATEST a v1 false"},
		{imageOne.Digest, 3, "LATEST a v1 false"},
		{imageOne.Digest, 2, "LATEST a true"},
		{two.Digest, 10, "B false"},
		{ocitest.Image("three").Digest, 10, "false"},
	} {
		tags, more, err := w.reg.TagsOf(w.ctx, app, tt.d, tt.n)
		w.must(err)
		var got []string
		for _, tag := range tags {
			got = append(got, tag.String())
		}
		if got := strings.Join(append(got, fmt.Sprint(more)), " "); got != tt.want {
			t.Errorf("%d of %s: got %s, want %s", tt.n, tt.d, got, tt.want)
		}
	}
}

// TestATagChangesByCheckAndSet: a push that has read a tag before another one replaced it reads it again, so that the
// value between the two is not forgotten.
func TestATagChangesByCheckAndSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	between := ocitest.Image("between")
	w.must(w.pushImage(app, "one", tagV1), w.pushImage(app, "two"), w.pushImage(app, "between"))
	slow := openWorld(t, &putting{Store: w.store, before: "/_manifests/tags/", do: sync.OnceFunc(func() {
		w.must(w.pushManifest(app, between.Content, tagV1))
	})})
	slow.must(slow.pushManifest(app, imageTwo.Content, tagV1))
	history, err := w.reg.Maintenance().History(w.ctx, app, tagV1)
	w.must(err)
	var got []oci.Digest
	for _, value := range history {
		got = append(got, value.Digest)
	}
	if want := []oci.Digest{imageTwo.Digest, between.Digest, imageOne.Digest}; !slices.Equal(got, want) {
		t.Errorf("the tag has stood for %v, want %v", got, want)
	}
}

// TestABitThatRotsInATagIsDamage: whichever it is, the tag is damaged, or reads as it was. Nobody takes it for another tag
// or for one that was deleted.
func TestABitThatRotsInATagIsDamage(t *testing.T) {
	t.Parallel()
	stores := newSharedStore(t, inMemory(t))
	w := stores.world()
	w.must(w.pushImage(app, "two", tagV1), w.pushImage(app, "one", tagV1))
	key := "team/app/_manifests/tags/v1"
	value, err := w.store.Get(w.ctx, key)
	w.must(err)
	was, err := w.reg.Maintenance().Tag(w.ctx, app, tagV1)
	w.must(err)
	damaged := 0
	for bit := range 8 * len(value.Data) {
		rotten := slices.Clone(value.Data)
		rotten[bit/8] ^= 1 << (bit % 8)
		w.put(key, rotten)
		now, err := w.reg.Maintenance().Tag(w.ctx, app, tagV1)
		switch {
		case errors.Is(err, registry.ErrDamaged):
			damaged++
		case err != nil || now.TagValue != was.TagValue || len(now.Former) != 1 || now.Former[0] != was.Former[0] || now.Entry != was.Entry:
			t.Errorf("bit %d of %q: got %+v, %v, want it damaged, or as it was", bit, rotten, now, err)
		}
	}
	if most := 8 * (len(value.Data) - 20); damaged < most {
		t.Errorf("%d of %d bits were damage, want at least %d", damaged, 8*len(value.Data), most)
	}
	rotten := []byte(strings.Replace(string(value.Data), imageOne.Digest.Hex()[:8], "00000000", 1))
	w.put(key, rotten)
	var refused *gc.RefusedError
	if _, err := newCollector(t, stores.open()).real.Run(w.ctx, gc.RunOptions{}); !errors.As(err, &refused) {
		t.Errorf("a collector: %v, want that it refuses", err)
	}
	if now, err := w.store.Get(w.ctx, key); err != nil || string(now.Data) != string(rotten) {
		t.Errorf("the tag is %q, %v, want it as it was", now.Data, err)
	}
}
