package registry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// removed are the entries of the trash in a few words each.
func (w *world) removed(within oci.Name) (list []string) {
	w.t.Helper()
	for entry, err := range w.reg.Maintenance().Trash(w.ctx, within) {
		w.must(err)
		what := string(entry.Kind) + " of " + entry.Namespace.String()
		if entry.Kind == registry.KindTag {
			what = "tag " + entry.Tag.String() + " of " + entry.Namespace.String()
		}
		list = append(list, what)
	}
	return list
}

func TestTheTrash(t *testing.T) {
	t.Parallel()
	w := newRestoreWorld(t)
	w.must(w.pushImage(other, "one", tagV1), w.pushImage(app, "one", tagV1))
	w.deleteManifest(app, imageOne.Digest)
	w.deleteBlob("layer one")
	w.must(w.reg.DeleteTag(w.ctx, other, tagV1, "bob"))

	image := int64(len(imageOne.Text))
	for kind, size := range map[registry.Kind]int64{
		registry.KindManifest: image + int64(len("config one")+len("layer one")), registry.KindTag: image, registry.KindBlob: int64(len("layer one")),
	} {
		entry := w.entry(kind)
		got, err := w.reg.Maintenance().TrashSize(w.ctx, entry)
		w.must(err)
		if got != size || entry.By != "bob" || entry.At.IsZero() {
			t.Errorf("%s: got %d bytes, by %q at %s, want %d by bob", kind, got, entry.By, entry.At, size)
		}
	}
	team, err := oci.ParseName("team")
	w.must(err)
	if got := w.removed(team); len(got) != 3 {
		t.Errorf("the trash of team and below it is %q", got)
	}
	if got := w.removed(other); !slices.Equal(got, []string{"tag v1 of other"}) {
		t.Errorf("the trash of other is %q", got)
	}

	for _, kind := range []registry.Kind{registry.KindManifest, registry.KindBlob} {
		w.must(w.reg.Maintenance().DropTrash(w.ctx, w.entry(kind)))
	}
	if got := w.removed(team); !slices.Equal(got, []string{"tag v1 of team/app"}) {
		t.Errorf("then the trash of team and below it is %q", got)
	}
	w.must(w.reg.Maintenance().DropTrash(w.ctx, w.entry(registry.KindTag)))
	if got := w.removed(oci.Name{}); !slices.Equal(got, []string{"tag v1 of other"}) {
		t.Errorf("then the trash is %q", got)
	}
}

// TestADamagedEntryHidesNoOther: it is shown with its key, and the others are shown and restored.
func TestADamagedEntryHidesNoOther(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"empty":                        "",
		"no JSON":                      "{\n",
		"an unknown kind":              `{"kind":"cat","namespace":"team/app","digest":"` + imageOne.Digest.String() + `"}` + "\n",
		"no digest":                    `{"kind":"tag","namespace":"team/app","tag":"v1"}` + "\n",
		"a tag that is none":           `{"kind":"tag","namespace":"team/app","tag":"/","digest":"` + imageOne.Digest.String() + `"}` + "\n",
		"of another namespace":         `{"kind":"blob","namespace":"other","digest":"` + imageOne.Digest.String() + `"}` + "\n",
		"a manifest of another digest": `{"kind":"manifest","namespace":"team/app","digest":"` + imageTwo.Digest.String() + `"}` + "\n" + `{"media_type":"a/b"}` + "\n{}",
		"a tag without a record":       `{"kind":"tag","namespace":"team/app","tag":"v1","digest":"` + imageOne.Digest.String() + `"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRestoreWorld(t)
			w.must(w.pushImage(app, "one", tagV1))
			w.deleteTag(tagV1)
			key := fmt.Sprintf("_deleted/team.~app/%019d-AAAA", time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC).UnixNano())
			_, err := w.store.Put(w.ctx, key, []byte(data), storage.PutOptions{})
			w.must(err)
			var whole, broken []string
			for entry, err := range w.reg.Maintenance().Trash(w.ctx, oci.Name{}) {
				if err == nil {
					whole = append(whole, string(entry.Kind))
				} else if strings.Contains(err.Error(), key) {
					broken = append(broken, entry.Key)
				}
			}
			if !slices.Equal(whole, []string{"tag"}) || !slices.Equal(broken, []string{key}) {
				t.Errorf("the trash shows %q and as damaged %q, want the tag and %s", whole, broken, key)
			}
			done, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1})
			if err != nil || !slices.Equal(words(done), []string{"tag v1"}) {
				t.Errorf("restored %q, %v, want the tag", words(done), err)
			}
		})
	}
}

// entry is the one of a kind in the trash.
func (w *world) entry(kind registry.Kind) registry.TrashEntry {
	w.t.Helper()
	for entry, err := range w.reg.Maintenance().Trash(w.ctx, app) {
		w.must(err)
		if entry.Kind == kind {
			return entry
		}
	}
	w.t.Fatalf("the trash has no %s", kind)
	return registry.TrashEntry{}
}
