package scrub_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/storage"
)

// damages are what can be wrong with a store: how it comes about, what is found, and what remains of it
// once it was repaired and verified again.
var damages = []struct {
	name   string
	damage func(w *world)
	found  []scrub.Code
	after  []scrub.Code
}{
	{name: "nothing", damage: func(*world) {}},
	{
		name:   "one bit of a layer changed",
		damage: func(w *world) { w.flip(blobKey(digest("layer one"))) },
		found:  []scrub.Code{scrub.CodeCorruptBlob},
		after:  []scrub.Code{scrub.CodeDanglingLink, scrub.CodeNoBytes, scrub.CodeMovedAside},
	},
	{
		name:   "a layer is cut short",
		damage: func(w *world) { w.write(blobKey(digest("layer one")), "layer") },
		found:  []scrub.Code{scrub.CodeCorruptBlob},
		after:  []scrub.Code{scrub.CodeDanglingLink, scrub.CodeNoBytes, scrub.CodeMovedAside},
	},
	{
		name:   "a condemned layer is no good",
		damage: condemnedAndFlipped,
		found:  []scrub.Code{scrub.CodeCorruptBlob},
		after:  []scrub.Code{scrub.CodeMovedAside},
	},
	{
		name:   "a layer is gone",
		damage: func(w *world) { w.remove(blobKey(digest("layer one"))) },
		found:  []scrub.Code{scrub.CodeDanglingLink, scrub.CodeNoBytes},
		after:  []scrub.Code{scrub.CodeDanglingLink, scrub.CodeNoBytes},
	},
	{
		name: "two manifests are swapped",
		damage: func(w *world) {
			one, two := revisionKey(app, imageOne.Digest), revisionKey(app, imageTwo.Digest)
			first, second := w.read(one), w.read(two)
			w.write(one, second)
			w.write(two, first)
		},
		found: []scrub.Code{scrub.CodeCorruptManifest, scrub.CodeCorruptManifest},
		after: []scrub.Code{scrub.CodeDanglingTag, scrub.CodeNoChild, scrub.CodeMovedAside, scrub.CodeMovedAside},
	},
	{
		name:   "the record of a manifest is no JSON",
		damage: func(w *world) { w.write(revisionKey(app, imageTwo.Digest), "{\n"+imageTwo.Text) },
		found:  []scrub.Code{scrub.CodeDamagedRecord},
		after:  []scrub.Code{scrub.CodeNoChild, scrub.CodeMovedAside},
	},
	{
		name: "a manifest hashes and is none",
		damage: func(w *world) {
			w.write(revisionKey(app, digest("{}")), `{"media_type":"application/vnd.oci.image.manifest.v1+json","missing":[]}`+"\n{}")
		},
		found: []scrub.Code{scrub.CodeInvalidManifest},
		after: []scrub.Code{scrub.CodeInvalidManifest},
	},
	{
		name:   "a child of an index is gone",
		damage: func(w *world) { w.remove(revisionKey(app, imageTwo.Digest)) },
		found:  []scrub.Code{scrub.CodeNoChild},
		after:  []scrub.Code{scrub.CodeNoChild},
	},
	{
		name:   "the manifest of a tag is gone",
		damage: func(w *world) { w.remove(revisionKey(app, imageOne.Digest)) },
		found:  []scrub.Code{scrub.CodeDanglingTag},
		after:  []scrub.Code{scrub.CodeDanglingTag},
	},
	{
		name:   "the record of a tag is no JSON",
		damage: func(w *world) { w.write(tagKey(app, v1), "{") },
		found:  []scrub.Code{scrub.CodeDamagedRecord},
		after:  []scrub.Code{scrub.CodeMovedAside},
	},
	{
		name:   "the record of a tag names nothing",
		damage: func(w *world) { w.write(tagKey(app, v1), "{}") },
		found:  []scrub.Code{scrub.CodeDamagedRecord},
		after:  []scrub.Code{scrub.CodeMovedAside},
	},
	{
		name:   "a link is gone",
		damage: func(w *world) { w.remove(linkKey(app, digest("layer one"))) },
		found:  []scrub.Code{scrub.CodeNoLink},
	},
	{
		name:   "a link was proposed by a repair that was killed",
		damage: func(w *world) { w.write(linkKey(app, digest("layer one")), "proposed") },
		found:  []scrub.Code{scrub.CodeNoLink, scrub.CodeProposedLink},
	},
	{
		name:   "the entry of a referrer is gone",
		damage: func(w *world) { w.remove(referrerKey(app, imageOne.Digest, sbomOfOne.Digest)) },
		found:  []scrub.Code{scrub.CodeNoReferrer},
	},
	{
		name:   "the entry of a referrer is no JSON",
		damage: func(w *world) { w.write(referrerKey(app, imageOne.Digest, sbomOfOne.Digest), "{") },
		found:  []scrub.Code{scrub.CodeDamagedRecord},
		after:  []scrub.Code{scrub.CodeMovedAside},
	},
	{
		name:   "a referrer is gone",
		damage: func(w *world) { w.remove(revisionKey(app, sbomOfOne.Digest)) },
		found:  []scrub.Code{scrub.CodeStaleReferrer},
	},
	{
		name:   "the entry of the catalog is gone",
		damage: func(w *world) { w.remove("_namespaces/team.~app") },
		found:  []scrub.Code{scrub.CodeNoNamespace},
	},
	{
		name:   "a trash entry is no record",
		damage: func(w *world) { w.write("_deleted/other/0000000000000000001-A", "{") },
		found:  []scrub.Code{scrub.CodeDamagedRecord},
		after:  []scrub.Code{scrub.CodeMovedAside},
	},
	{
		name:   "a file that is not ours lies there",
		damage: func(w *world) { w.write("team/notes.txt", "hello") },
		found:  []scrub.Code{scrub.CodeStrangeKey},
		after:  []scrub.Code{scrub.CodeStrangeKey},
	},
	{
		name: "a blob lies in the folder of another one",
		damage: func(w *world) {
			w.write("_blobs/sha256/"+otherFolder(digest("stray"))+"/"+digest("stray").Hex(), "stray")
		},
		found: []scrub.Code{scrub.CodeStrangeKey},
		after: []scrub.Code{scrub.CodeStrangeKey},
	},
}

func otherFolder(d interface{ Hex() string }) string {
	if d.Hex()[:2] == "00" {
		return "01"
	}
	return "00"
}

// condemnedAndFlipped is a blob of nobody that a collector has condemned and the disk has damaged.
func condemnedAndFlipped(w *world) {
	d := w.pushBlob(other, "old")
	w.remove(linkKey(other, d))
	w.flip(blobKey(d))
	w.must(w.store.Condemn(w.t.Context(), blobKey(d)))
}

// pushAll fills the world with one of everything.
func (w *world) pushAll() {
	w.pushImage(app, "one", v1)
	w.pushImage(app, "two")
	w.push(app, ocitest.Index(imageTwo))
	w.push(app, sbomOfOne)
	w.pushImage(other, "three", v1)
	w.must(w.reg.DeleteTag(w.t.Context(), other, v1, "somebody"))
}

func TestWhatIsFoundAndWhatRemainsAfterARepair(t *testing.T) {
	t.Parallel()
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pushAll()
			c.damage(w)
			before := w.contents()
			w.wantCodes(w.verify(scrub.Options{}), c.found...)
			if after := w.contents(); len(before) != len(after) {
				t.Errorf("a run that repairs nothing left %d contents, want %d", len(after), len(before))
			}
			repaired := w.verify(scrub.Options{Repair: true})
			w.wantCodes(w.verify(scrub.Options{}), c.after...)
			if want := int64(len(c.after)) - notes(c.after); repaired.Remaining() != want {
				t.Errorf("the repair says that %d remain, want %d", repaired.Remaining(), want)
			}
			w.nothingLost(before)
		})
	}
}

func notes(codes []scrub.Code) (n int64) {
	for _, code := range codes {
		if code == scrub.CodeMovedAside {
			n++
		}
	}
	return n
}

// nothingLost compares what lay in the store with what lies there now. Entries of referrers can be made
// anew from the manifests, so they may go.
func (w *world) nothingLost(before map[string]int) {
	w.t.Helper()
	after := w.contents()
	for content := range before {
		derived := strings.HasPrefix(content, `{"descriptor":`) || content == "proposed"
		if after[content] == 0 && !derived {
			w.t.Errorf("the last copy of %q is gone", content)
		}
	}
}

func TestDamagedTimesOfPullsAreFoundAndLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushImage(app, "one", v1)
	w.write("team/app/_pulls", "{")
	w.wantCodes(w.verify(scrub.Options{Repair: true}), scrub.CodeDamagedRecord)
	if w.read("team/app/_pulls") != "{" {
		t.Error("a repair made all look as if it was never pulled")
	}
}

// TestADamagedSecretIsFoundAndLeft: what was signed with it would not be accepted any more.
func TestADamagedSecretIsFoundAndLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("_keys/token", "rotten")
	opts := scrub.Options{Repair: true, CheckSecret: func(name registry.Secret, content []byte) error {
		if name == registry.TokenKeys && string(content) == "rotten" {
			return errors.New("no key")
		}
		return nil
	}}
	w.wantCodes(w.verify(opts), scrub.CodeDamagedRecord)
	if w.read("_keys/token") != "rotten" {
		t.Error("a repair took the key away")
	}
}

// TestATrashEntryOfATagThatIsDamagedIsFound: it is there to be restored.
func TestATrashEntryOfATagThatIsDamagedIsFound(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(content string) string{
		"a bit of its record": func(s string) string { return strings.Replace(s, `"size":`, `"size":1`, 1) },
		"no record":           func(s string) string { return s[:strings.IndexByte(s, '\n')+1] + "{}" },
		"of another manifest": func(s string) string {
			line, _, _ := strings.Cut(s, "\n")
			return line + "\n" + `{"digest":"` + imageTwo.Digest.String() + `","nonce":"x"}`
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pushImage(app, "one", v1)
			w.must(w.reg.DeleteTag(t.Context(), app, v1, ""))
			for entry, err := range w.store.List(t.Context(), "_deleted", storage.ListOptions{Deep: true}) {
				w.must(err)
				w.write("_deleted/"+entry.Name, damage(w.read("_deleted/"+entry.Name)))
			}
			w.wantCodes(w.verify(scrub.Options{}), scrub.CodeDamagedRecord)
		})
	}
}

func TestARepairMendsWhateverEntryOfTheTrashStopsTheCollector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.pushImage(app, "one")
	w.must(w.reg.DeleteManifest(t.Context(), app, d, "somebody"))
	for entry, err := range w.store.List(t.Context(), "_deleted", storage.ListOptions{Deep: true}) {
		w.must(err)
		w.flip("_deleted/" + entry.Name)
	}
	w.wantCodes(w.verify(scrub.Options{}), scrub.CodeDamagedRecord)
	w.verify(scrub.Options{Repair: true})
	for entry, err := range w.reg.Maintenance().Trash(t.Context(), oci.Name{}) {
		t.Errorf("got %v, %v, want it moved aside", entry.Key, err)
	}
}

// TestForeignFilesAmongBlobsAreFoundAndLeftAlone: none of them ends a verification, and no repair touches them.
func TestForeignFilesAmongBlobsAreFoundAndLeftAlone(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, at func(*testing.T) opener, _ int) {
		w := openWorld(t, at(t), nil, registry.DefaultConfig())
		w.pushAll()
		foreign := []string{
			"_blobs/notes.txt", "_blobs/sha256/.DS_Store", "_blobs/sha256/00/notes.txt", "_blobs/sha256/01/more/notes.txt",
			"_blobs/md5/00/0123456789abcdef", "_blobs/sha256/00/" + strings.Repeat("1", 64), "_blobs/sha256/11/" + strings.Repeat("1", 63),
			"_blobs/sha256/02/" + strings.Repeat("0", 62) + "zz", "_blobs/sha512/00/" + strings.Repeat("0", 64),
		}
		strange := []scrub.Code{}
		for _, key := range foreign {
			w.write(key, "foreign")
			strange = append(strange, scrub.CodeStrangeKey)
		}
		w.wantCodes(w.verify(scrub.Options{}), strange...)
		w.flip(blobKey(digest("layer one"))) // what is wrong is found beside them
		w.wantCodes(w.verify(scrub.Options{}), append(strange, scrub.CodeCorruptBlob)...)
		w.verify(scrub.Options{Repair: true})
		for _, key := range foreign {
			if got := w.read(key); got != "foreign" {
				t.Errorf("%s: got %q, want it as it was", key, got)
			}
		}
	})
}
