package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

func TestManyReferrersAtOnce(t *testing.T) {
	t.Parallel()
	const count, pushers = 500, 10
	folder := inFolder(t)
	clients := []*world{newWorld(t, folder), newWorld(t, folder)}
	clients[0].must(clients[0].pushImage(app, "one", tagV1))
	atOnce(pushers, func(p int) {
		for i := p; i < count; i += pushers {
			pusher := registrytest.Pusher{To: clients[i%2].reg}
			if err := pusher.PushManifest(t.Context(), app, sbomOfOne.Note(fmt.Sprint(i)).Content); err != nil {
				t.Errorf("push referrer %d: %v", i, err)
			}
		}
	})
	for _, c := range clients {
		all, err := registrytest.Referrers(t.Context(), c.reg, app, imageOne.Digest)
		if err != nil || len(all) != count {
			t.Errorf("%d referrers, %v, want %d", len(all), err, count)
		}
	}
}

// TestReferrersOfTheAPIAndOfTheFallbackTagAreOneList: clients of registries without the referrers API keep an index
// under a tag. What that names and is gone is left out.
func TestReferrersOfTheAPIAndOfTheFallbackTagAreOneList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t), func(o *registry.Options) { o.Config.MissingReferences = "allow" })
	api, fallback, both := ocitest.Referrer(imageOne, "a/api"), imageTwo, ocitest.Referrer(imageOne, "a/both")
	gone := imageTwo.Note("gone")
	w.must(w.pushImage(app, "one"), w.pushImage(app, "two"), w.pusher().Push(w.ctx, app, api), w.pusher().Push(w.ctx, app, both))
	w.must(w.pushManifest(app, ocitest.Index(fallback, both, gone).Content, ocitest.Tag("sha256-"+imageOne.Digest.Hex())))
	digests, err := registrytest.Referrers(w.ctx, w.reg, app, imageOne.Digest)
	w.must(err)
	want := []oci.Digest{api.Digest, fallback.Digest, both.Digest}
	slices.SortFunc(want, func(a, b oci.Digest) int { return strings.Compare(a.String(), b.String()) })
	if !slices.Equal(digests, want) {
		t.Errorf("got %v, want %v", digests, want)
	}
	page := registry.ReferrerPage{ArtifactType: "a/api", Most: 4 << 20}
	index, next, err := page.Index(w.reg.Referrers(w.ctx, app, imageOne.Digest))
	w.must(err)
	if text := string(index); strings.Count(text, `"digest"`) != 1 || !strings.Contains(text, api.Digest.String()) || next != "" {
		t.Errorf("those of one artifact type are %s, next %q", text, next)
	}
}

// TestAnIndexOfReferrersIsCutIntoPages: no client reads an index of any length.
func TestAnIndexOfReferrersIsCutIntoPages(t *testing.T) {
	t.Parallel()
	var all []registry.Referrer
	for i := range 5 {
		d := ocitest.DigestOf(fmt.Sprint(i))
		all = append(all, registry.Referrer{Digest: d, JSON: fmt.Appendf(nil, `{"digest":%q,"note":%q}`, d, strings.Repeat("x", 1500<<10))})
	}
	listed := func(yield func(registry.Referrer, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
	slices.SortFunc(all, func(a, b registry.Referrer) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	var got []string
	pages := 0
	for last, more := "", true; more && pages < 10; pages++ {
		index, next, err := registry.ReferrerPage{Last: last, Most: 4 << 20}.Index(listed)
		if err != nil {
			t.Fatal(err)
		}
		if len(index) > 4<<20 {
			t.Errorf("page %d has %d bytes, want at most 4 MiB", pages, len(index))
		}
		var page struct{ Manifests []struct{ Digest string } }
		if err := json.Unmarshal(index, &page); err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Manifests {
			got = append(got, one.Digest)
		}
		last, more = next, next != ""
	}
	if len(got) != len(all) || got[0] != all[0].Digest.String() || got[4] != all[4].Digest.String() || pages != 3 {
		t.Errorf("got %d referrers on %d pages, want %d on 3", len(got), pages, len(all))
	}
}

// TestAnIndexOfReferrersIsMadeLonger: what one page has begun the next one ends, with the bytes that one page had written.
func TestAnIndexOfReferrersIsMadeLonger(t *testing.T) {
	t.Parallel()
	var all []registry.Referrer
	for i := range 40 {
		d := ocitest.DigestOf(fmt.Sprint(i))
		all = append(all, registry.Referrer{Digest: d, JSON: fmt.Appendf(nil, `{"digest":%q,"note":%q}`, d, strings.Repeat("x", i*10))})
	}
	slices.SortFunc(all, func(a, b registry.Referrer) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	listed := func(yield func(registry.Referrer, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
	for _, most := range []int{9000, 1 << 20} {
		whole, end, err := registry.ReferrerPage{Most: most}.Index(listed)
		if err != nil {
			t.Fatal(err)
		}
		for first := range most {
			begun, next, err := registry.ReferrerPage{Most: first}.Index(listed)
			if err != nil {
				t.Fatal(err)
			}
			if next == "" {
				break
			}
			index, next, err := registry.ReferrerPage{Last: next, Most: most}.Longer(begun, listed)
			if err != nil || string(index) != string(whole) || next != end {
				t.Fatalf("begun with %d bytes it has %d and next %q, %v; want %d and %q", first, len(index), next, err, len(whole), end)
			}
		}
	}
}

// TestOneMoreReferrerCostsOneMoreRead: those that are known are not read again, also where another process has removed
// and pushed some.
func TestOneMoreReferrerCostsOneMoreRead(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]opener{"in memory": inMemory(t), "in a folder": inFolder(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pusher := newWorld(t, at)
			store := &counting{Store: pusher.store, reads: map[string]int{}}
			reader := openWorld(t, store)
			pusher.must(pusher.pushImage(app, "one"))
			var want []string
			for i := range 20 {
				m := sbomOfOne.Note(fmt.Sprint(i))
				want = append(want, m.Digest.String())
				if i == 12 {
					pusher.must(pusher.reg.DeleteManifest(t.Context(), app, sbomOfOne.Note("5").Digest, ""))
					want = slices.Delete(want, 5, 6)
				}
				pusher.must(pusher.pushManifest(app, m.Content))
				store.take()
				all, err := registrytest.Referrers(t.Context(), reader.reg, app, imageOne.Digest)
				pusher.must(err)
				var got []string
				for _, one := range all {
					got = append(got, one.String())
				}
				if sorted := slices.Sorted(slices.Values(want)); !slices.Equal(got, sorted) {
					t.Fatalf("got %v, want %v", got, sorted)
				}
				reads := 0
				for key, n := range store.take() {
					if strings.Contains(key, "/_manifests/referrers/") {
						reads += n
					}
				}
				if reads != 1 {
					t.Errorf("%d entries were read for referrer %d, want one", reads, i)
				}
			}
		})
	}
}

// TestWhoWantsNoMoreReferrersHearsOfNoError: what is read on for the cache alone may fail.
func TestWhoWantsNoMoreReferrersHearsOfNoError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inFolder(t))
	w.must(w.pushImage(app, "one"))
	var digests []string
	for i := range 3 {
		m := sbomOfOne.Note(fmt.Sprint(i))
		w.must(w.pushManifest(app, m.Content))
		digests = append(digests, m.Digest.Hex())
	}
	slices.Sort(digests)
	w.put("team/app/_manifests/referrers/sha256/"+imageOne.Digest.Hex()+"/sha256-"+digests[1], []byte("{"))
	seen := 0
	for _, err := range w.reg.Referrers(t.Context(), app, imageOne.Digest) {
		w.must(err)
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("got %d referrers, want the first one", seen)
	}
	if _, err := registrytest.Referrers(t.Context(), w.reg, app, imageOne.Digest); !errors.Is(err, registry.ErrDamaged) {
		t.Errorf("whoever wants all got %v, want %v", err, registry.ErrDamaged)
	}
}

// TestAReferrerThatIsPushedAgainAsAnotherTypeIsShownSo: the same bytes, which do not name their type, are pushed as one
// type and then as another. Who has listed the first one shows the second; another process may take a minute. So it is
// where an earlier version of sreg wrote the first entry, which does not say whether the manifest names its type.
func TestAReferrerThatIsPushedAgainAsAnotherTypeIsShownSo(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(*testing.T) opener{"in memory": inMemory, "in a folder": inFolder} {
		for version, became := range map[string]func(*world){"": func(*world) {}, ", of an earlier version": forgetUntyped} {
			t.Run(name+version, func(t *testing.T) {
				t.Parallel()
				pushAsTwoTypes(t, at(t), became)
			})
		}
	}
}

// pushAsTwoTypes looks at the referrers after each push; became is what became of the entry of the first one.
func pushAsTwoTypes(t *testing.T, at opener, became func(*world)) {
	t.Helper()
	pusher := newWorld(t, at)
	var ahead time.Duration
	later := openWorld(t, pusher.store, func(o *registry.Options) { o.Now = func() time.Time { return time.Now().Add(ahead) } })
	pusher.must(pusher.pushImage(app, "one"))
	content := fmt.Appendf(nil, `{"schemaVersion":2,"subject":{"mediaType":%q,"digest":%q,"size":%d}}`,
		imageOne.MediaType, imageOne.Digest, len(imageOne.Text))
	for i, mediaType := range []string{"application/vnd.example.one+json", "application/vnd.example.two+json"} {
		_, err := pusher.reg.PutManifest(t.Context(), app, registry.Push{ContentType: mediaType, Content: content})
		pusher.must(err)
		if i == 0 {
			became(pusher)
		}
		ahead += 2 * time.Minute
		for i, reader := range []*world{pusher, later} {
			for one, err := range reader.reg.Referrers(t.Context(), app, imageOne.Digest) {
				if err != nil || !strings.Contains(string(one.JSON), mediaType) {
					t.Errorf("reader %d: got %s, %v, want the type %s", i, one.JSON, err, mediaType)
				}
			}
		}
	}
}

// forgetUntyped makes the one entry of a referrer what an earlier version of sreg wrote.
func forgetUntyped(w *world) {
	const member = `,"untyped":true`
	changed := 0
	for entry, err := range w.store.List(w.ctx, app.String(), storage.ListOptions{Deep: true}) {
		w.must(err)
		key := app.String() + "/" + entry.Name
		object, err := w.store.Get(w.ctx, key)
		w.must(err)
		if old := strings.Replace(string(object.Data), member, "", 1); old != string(object.Data) {
			_, err = w.store.Put(w.ctx, key, []byte(old), storage.PutOptions{})
			w.must(err)
			changed++
		}
	}
	if changed != 1 {
		w.t.Errorf("%d entries say %s, want one", changed, member)
	}
}
