package gc_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// inFolder puts a world into a folder of the test's own.
func inFolder(t *testing.T, opts gctest.Options) gctest.Options {
	t.Helper()
	opts.Folder = t.TempDir()
	return opts
}

// options are those of a collector that spares nothing by age but what is a minute old.
func options() gctest.Options {
	cfg := gc.DefaultConfig()
	cfg.Grace, cfg.Trash, cfg.UntaggedAfter = time.Minute, time.Hour, time.Minute
	return gctest.Options{Registry: registry.DefaultConfig(), GC: cfg}
}

// ripeWorld has something for every phase of a run: to be revived, destroyed and condemned.
func ripeWorld(t *testing.T, opts gctest.Options) *gctest.World {
	t.Helper()
	w := gctest.New(t, inFolder(t, opts))
	w.Play(`
		image v1 app:v1 base one
		image sig app subject=v1 signature
		image old other/app old
		image gone other/app:gone gone
		wait 2h
		delete other/app:gone
		delete app@sig
		collect
		blob stray app
		wait 2h`)
	return w
}

// files are all files of a world but those that every run writes, with their content.
func files(t *testing.T, w *gctest.World) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(w.Root(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(w.Root(), path)
		if err != nil || strings.HasPrefix(name, "_locks/") || name == "_gc/report" {
			return err
		}
		data, err := os.ReadFile(path)
		found[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantRefused runs the collector, which must refuse, change nothing, and name all of mentioned.
func wantRefused(t *testing.T, w *gctest.World, opts gc.RunOptions, mentioned ...string) {
	t.Helper()
	before := files(t, w)
	report, err := w.Collector.Run(t.Context(), opts)
	var refused *gc.RefusedError
	if !errors.As(err, &refused) || report.Outcome != gc.Refused || report.ErrorCount == 0 {
		t.Fatalf("got %v and %+v, want a refusal", err, report)
	}
	if refused.Hint() == "" {
		t.Errorf("%v: it does not say what to do", err)
	}
	for _, text := range mentioned {
		if !strings.Contains(w.Names(err.Error()), text) {
			t.Errorf("got %q, want that it names %q", w.Names(err.Error()), text)
		}
	}
	if after := files(t, w); !maps.Equal(before, after) {
		t.Errorf("the store has changed: got %q, want %q", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
	}
	last, err := w.Collector.LastReport(t.Context())
	if err != nil || last == nil || last.Outcome != gc.Refused || last.Problem == "" {
		t.Errorf("got %+v and %v for a report, want that it was refused and why", last, err)
	}
}

func TestWhatCannotBeReadStopsARun(t *testing.T) {
	t.Parallel()
	revision := func(w *gctest.World) string {
		return "app/_manifests/revisions/sha256/" + w.Digest("v1").Hex()
	}
	at := func(key string) func(*gctest.World) string { return func(*gctest.World) string { return key } }
	undo := func(w *gctest.World) string {
		found, err := filepath.Glob(filepath.Join(w.Root(), "_deleted/app/*"))
		if err != nil || len(found) == 0 {
			t.Fatalf("found %q, %v, want what was removed", found, err)
		}
		return "_deleted/app/" + filepath.Base(found[0])
	}
	const folder = "a folder"
	for name, tc := range map[string]struct {
		key     func(*gctest.World) string
		content string // of a file; folder is an empty one
	}{
		"a tag that is no record":                     {at("app/_manifests/tags/v1"), "garbage"},
		"a tag that is empty":                         {at("app/_manifests/tags/v1"), ""},
		"a folder where a tag should be":              {at("app/_manifests/tags/v1"), folder},
		"a file beside the tags":                      {at("app/_manifests/tags/.DS_Store"), "x"},
		"a manifest that is no record":                {revision, "garbage"},
		"a manifest without its content":              {revision, `{"media_type":"application/vnd.oci.image.manifest.v1+json","pushed_at":"2026-11-01T12:00:00Z"}` + "\n"},
		"a manifest that is empty":                    {revision, ""},
		"a folder where a manifest should be":         {revision, folder},
		"a file beside the manifests":                 {at("app/_manifests/revisions/.DS_Store"), "x"},
		"a file among the manifests":                  {at("app/_manifests/revisions/sha256/notes.txt"), "x"},
		"a file where the manifests should be":        {at("app/_manifests/revisions"), "x"},
		"a file where a namespace's things are":       {at("app/_manifests"), "x"},
		"a link with a name of its own":               {at("app/_layers/sha256/0123"), ""},
		"a file where the links should be":            {at("app/_layers"), "x"},
		"a file among the referrers":                  {at("app/_manifests/referrers/sha256/x"), "x"},
		"a file in a namespace":                       {at("app/notes.txt"), "x"},
		"a file where namespaces are":                 {at("notes.txt"), "x"},
		"a folder of things that is no namespace's":   {at("App/_manifests/tags/x"), "x"},
		"a file among the blobs":                      {at("_blobs/sha256/00/notes.txt"), "x"},
		"a blob in a folder of others":                {at("_blobs/sha256/00/" + strings.Repeat("1", 64)), "x"},
		"what was removed and is no record":           {undo, "garbage"},
		"a file where the tags should be":             {at("app/_manifests/tags"), "x"},
		"a file where all that was removed should be": {at("_deleted"), "x"},
		"a file among what was removed":               {at("_deleted/app/x"), "x"},
		"a file in the trash":                         {at("_trash/app/notes.txt"), "x"},
		"a draft that is no record":                   {at("_pending/app/_manifests/revisions/sha256/" + strings.Repeat("0", 64) + "~x"), "garbage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := ripeWorld(t, options())
			key := tc.key(w)
			path := filepath.Join(w.Root(), key)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			made := filepath.Dir(path)
			if tc.content == folder {
				made = path
			}
			if err := os.MkdirAll(made, 0o700); err != nil {
				t.Fatal(err)
			}
			if tc.content != folder {
				if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w.Open()
			key, _, _ = strings.Cut(key, "~")
			if strings.HasPrefix(key, "_trash/") || strings.HasPrefix(key, "_pending/") {
				_, key, _ = strings.Cut(key, "/")
			}
			if strings.HasPrefix(key, "App/") {
				key = "App"
			}
			wantRefused(t, w, gc.RunOptions{}, w.Names(key))
			wantRefused(t, w, gc.RunOptions{Only: gc.CollectPart}, w.Names(key))
		})
	}
}

func TestWhatAFileSystemKeepsInItsRootIsNoNamespace(t *testing.T) {
	t.Parallel()
	w := ripeWorld(t, options())
	for _, name := range []string{".DS_Store", "lost+found/x", ".snapshot/app/_manifests/tags/v1", "._app"} {
		path := filepath.Join(w.Root(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if report := w.Collect(); report.Freed.Objects == 0 || report.Awaiting.Objects == 0 {
		t.Errorf("got %+v, want that it did its work", report)
	}
	w.Pull("app:v1")
}

func TestAMetadataStoreWithoutNamespacesIsRefused(t *testing.T) {
	t.Parallel()
	w := ripeWorld(t, options())
	for _, name := range []string{"app", "other"} {
		if err := os.RemoveAll(filepath.Join(w.Root(), name)); err != nil {
			t.Fatal(err)
		}
	}
	w.Open()
	wantRefused(t, w, gc.RunOptions{}, "no namespace at all")
	wantRefused(t, w, gc.RunOptions{Only: gc.CollectPart}, "no namespace at all")

	all := 100.0
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{MaxDelete: &all})
	if err != nil || report.Awaiting.Objects == 0 {
		t.Errorf("got %+v and %v, want that all goes as somebody says", report, err)
	}
}

// verdicts are rules that keep the tags of a set, in namespaces that are in another one.
type verdicts struct{ namespaces, keep []string }

func (v verdicts) Rules(ns oci.Name) bool { return slices.Contains(v.namespaces, ns.String()) }

func (v verdicts) Decide(_ oci.Name, _ time.Time, images []registry.Image) []gc.Verdict {
	said := make([]gc.Verdict, len(images))
	for i, image := range images {
		if slices.Contains(v.keep, image.Tag.String()) {
			said[i] = gc.Verdict{Kept: true, Rule: "listed"}
		}
	}
	return said
}

func TestHowMuchMayGo(t *testing.T) {
	t.Parallel()
	const script = "image a app:a a\n image b app:b b\n image c app:c c\n image d other:d d\n wait 2h"
	for name, tc := range map[string]struct {
		rules   verdicts
		config  string  // gc.max_delete
		flag    float64 // percent, below 0: not given
		refused string
	}{
		"no rule keeps anything":                        {verdicts{namespaces: []string{"app", "other"}}, "100%", -1, "keep no tag at all, and all 4"},
		"somebody says that all may go":                 {verdicts{namespaces: []string{"app", "other"}}, "10%", 100, ""},
		"nearly all is not all":                         {verdicts{namespaces: []string{"app", "other"}}, "10%", 99.9, "keep no tag at all"},
		"one repository keeps nothing":                  {verdicts{namespaces: []string{"app"}}, "100%", -1, ""},
		"more than the config permits":                  {verdicts{namespaces: []string{"app"}}, "74%", -1, "3 of 4 tags would go, which is 75.0%, and at most 74% may"},
		"just as much as the config permits":            {verdicts{namespaces: []string{"app"}}, "75%", -1, ""},
		"a flag permits less than the config":           {verdicts{namespaces: []string{"app"}}, "100%", 20, "at most 20% may"},
		"a flag permits more than the config":           {verdicts{namespaces: []string{"app"}}, "0%", 75, ""},
		"nothing may go, and nothing does":              {verdicts{namespaces: []string{"app"}, keep: []string{"a", "b", "c"}}, "0%", -1, ""},
		"nothing may go, and one does":                  {verdicts{namespaces: []string{"app"}, keep: []string{"a", "b"}}, "0%", -1, "1 of 4 tags"},
		"nothing may go by a flag, whatever the config": {verdicts{namespaces: []string{"app"}, keep: []string{"a", "b"}}, "100%", 0, "at most 0% may"},
	} {
		for _, only := range []gc.Part{gc.Everything, gc.RetentionPart} {
			t.Run(name+" "+string(only), func(t *testing.T) {
				t.Parallel()
				opts := options()
				opts.GC.MaxDelete, opts.Retention = tc.config, tc.rules
				w := gctest.New(t, inFolder(t, opts))
				w.Play(script)
				run := gc.RunOptions{Only: only}
				if tc.flag >= 0 {
					run.MaxDelete = &tc.flag
				}
				if tc.refused != "" {
					wantRefused(t, w, run, tc.refused)
					return
				}
				if _, err := w.Collector.Run(t.Context(), run); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestBlobsAndManifestsCountAsTagsDo(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.GC.MaxDelete = "50%"
	w := gctest.New(t, inFolder(t, opts))
	w.Play("image v1 app:v1 base\n blob a app\n blob b app\n blob c app\n wait 2h")
	wantRefused(t, w, gc.RunOptions{}, "3 of 5 blobs would go")

	w = gctest.New(t, inFolder(t, opts))
	w.Play("image v1 app:v1 base\n image a app base\n image b app base\n wait 2h")
	wantRefused(t, w, gc.RunOptions{}, "2 of 3 manifests would go")
}

func TestAPlanThatIsRefusedCanBeSeen(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Retention = verdicts{namespaces: []string{"app"}}
	w := gctest.New(t, inFolder(t, opts))
	w.Play("image v1 app:v1 base\n upload half app\n wait 25h")
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{DryRun: true})
	var refused *gc.RefusedError
	if !errors.As(err, &refused) || len(report.Plan.Tags) != 1 || len(report.Plan.Uploads) != 1 || len(report.Plan.Condemn) == 0 {
		t.Errorf("got %v and %+v, want a refusal with the whole plan", err, report.Plan)
	}
}

func TestPullTimesThatCannotBeReadKeepTheirNamespace(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Retention = verdicts{namespaces: []string{"app", "other"}, keep: []string{"kept"}}
	w := gctest.New(t, inFolder(t, opts))
	w.Play("image a app:a a\n image b app b\n pull app:a\n image c other:c c\n image d other:kept d\n wait 2h")
	if err := os.WriteFile(filepath.Join(w.Root(), "app/_pulls"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Open()
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{})
	if !errors.Is(err, gc.ErrIncomplete) || report.Outcome != gc.Failed || !strings.Contains(report.Errors[0], "app/_pulls") {
		t.Errorf("got %v and %+v, want that it failed at app/_pulls", err, report)
	}
	if report.Removed.Objects != 1 {
		t.Errorf("got %d tags removed, want that of other alone", report.Removed.Objects)
	}
	w.Pull("app:a")
	w.Pull("app@b")
	for ref, want := range map[string]string{"app:a": "the times of pulls cannot be read", "app@b": "the times of pulls cannot be read"} {
		if got := explained(t, w, ref); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", ref, got, want)
		}
	}
}

// explained is why something stays or goes, in one text.
func explained(t *testing.T, w *gctest.World, ref string) string {
	t.Helper()
	ns, text, isDigest := strings.Cut(w.Digests(ref), "@")
	target := gc.Target{}
	var err error
	if isDigest {
		target.Digest, err = oci.ParseDigest(text)
	} else {
		ns, text, _ = strings.Cut(ns, ":")
		target.Tag, err = oci.ParseTag(text)
	}
	if err == nil {
		target.Namespace, err = oci.ParseName(ns)
	}
	if err != nil {
		t.Fatal(err)
	}
	report, _ := w.Collector.Run(t.Context(), gc.RunOptions{DryRun: true, Explain: &target})
	var all []string
	for _, one := range report.Explanation {
		all = append(all, one.What)
		all = append(all, one.Why...)
	}
	return w.Names(strings.Join(all, "; "))
}

func TestADamagedReportIsWrittenAnew(t *testing.T) {
	t.Parallel()
	w := ripeWorld(t, options())
	path := filepath.Join(w.Root(), "_gc/report")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Open()
	if _, err := w.Collector.LastReport(t.Context()); err == nil || !strings.Contains(err.Error(), "_gc/report") {
		t.Errorf("got %v, want that it names the key", err)
	}
	w.Collect()
	if report, err := w.Collector.LastReport(t.Context()); err != nil || report.Outcome != gc.Done {
		t.Errorf("got %+v and %v, want that of the run", report, err)
	}
}
