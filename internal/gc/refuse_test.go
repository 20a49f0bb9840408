package gc_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

func TestAMetadataStoreWithoutNamespacesIsRefused(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
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

// TestAStoreWithoutFoldersThatLostItsNamespacesIsRefused: what is left beside them explains no blob.
func TestAStoreWithoutFoldersThatLostItsNamespacesIsRefused(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]string{"with what lies beside them": "_", "with nothing but its format": "_format"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPushed(t)
			p.trash = time.Hour
			_, layer := p.image("one", "v1")
			untagged, _ := p.image("untagged")
			p.must(p.reg.DeleteBlob(t.Context(), p.ns, p.blob("deleted"), ""))
			p.must(p.reg.DeleteManifest(t.Context(), p.ns, untagged, ""))
			if _, err := p.collect(1); err != nil { // so that something is condemned
				t.Fatal(err)
			}
			for entry, err := range p.store.List(t.Context(), "", storage.ListOptions{Deep: true}) {
				p.must(err)
				if !strings.HasPrefix(entry.Name, beside) && !strings.HasPrefix(entry.Name, "_blobs/") {
					p.must(p.store.Delete(t.Context(), entry.Name, storage.DeleteOptions{}))
				}
			}
			c, err := gc.New(gc.Options{Registry: p.reg.Maintenance(), Config: gc.Config{MaxDelete: "100%", Concurrency: 1}})
			p.must(err)
			for range 3 {
				_, err := c.Run(t.Context(), gc.RunOptions{})
				var refused *gc.RefusedError
				if !errors.As(err, &refused) || !strings.Contains(refused.Why, "no namespace at all, and 2 blobs would go that nobody deleted") {
					t.Errorf("got %v, want a refusal for the two blobs of the image", err)
				}
			}
			if _, err := p.reg.Maintenance().Stat(t.Context(), registry.Object{Kind: registry.KindBlob, Digest: layer}); err != nil {
				t.Errorf("the layer: %v, want it there", err)
			}
		})
	}
}

// TestTheLastBlobOfAStoreGoes: a store without folders then has no namespace any more, and nothing is wrong.
func TestTheLastBlobOfAStoreGoes(t *testing.T) {
	t.Parallel()
	link := func(w *gctest.World, blob string) registry.Object {
		ns, err := oci.ParseName("app")
		must(t, err)
		return registry.Object{Kind: registry.KindLink, Namespace: ns, Digest: w.Digest(blob)}
	}
	for name, let := range map[string]func(t *testing.T, w *gctest.World, run gc.RunOptions){
		"a client deletes it": func(_ *testing.T, w *gctest.World, _ gc.RunOptions) {
			w.Play("blob last app\n wait 2h\n delete app@last")
		},
		"a client deletes it while it is young": func(_ *testing.T, w *gctest.World, _ gc.RunOptions) {
			w.Play("blob last app\n delete app@last\n collect\n wait 30s\n collect\n wait 2h")
		},
		"its entry of the trash is dropped": func(t *testing.T, w *gctest.World, run gc.RunOptions) {
			w.Play("blob last app\n delete app@last")
			for entry, err := range w.Registry.Maintenance().Trash(t.Context(), oci.Name{}) {
				must(t, err)
				must(t, w.Registry.Maintenance().DropTrash(t.Context(), entry))
			}
			_, err := w.Collector.Run(t.Context(), run) // when it is young
			must(t, err)
			w.Play("wait 2h")
		},
		"a run is killed behind its link": func(t *testing.T, w *gctest.World, _ gc.RunOptions) {
			w.Play("blob last app\n wait 2h")
			must(t, w.Registry.Maintenance().Condemn(t.Context(), link(w, "last")))
		},
		"its manifest is deleted, and it is younger": func(_ *testing.T, w *gctest.World, _ gc.RunOptions) {
			w.Play("image v1 app last\n wait 2h\n delete app@v1.config\n delete app@last\n blob last app\n delete app@last\n delete app@v1\n collect\n wait 2h")
		},
	} {
		for where, opts := range map[string]gctest.Options{"in memory": options(), "in a folder": inFolder(t, options())} {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				w := gctest.New(t, opts)
				run := gc.RunOptions{Only: gc.CollectPart, Trash: new(time.Duration)}
				let(t, w, run)
				for range 4 { // condemned, destroyed, and what told why they may go
					_, err := w.Collector.Run(t.Context(), run)
					must(t, err)
					w.Play("wait 2h\n collect")
				}
				for what, state := range w.State() {
					t.Errorf("%s is %s, want nothing left", what, state)
				}
			})
		}
	}
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

func TestAClockThatIsFarBehindTheRecordsIsRefused(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
	w.CollectorAhead = -w.Now.Sub(time.Unix(0, 0))
	wantRefused(t, w, gc.RunOptions{}, "the clock says 1970-01-01T00:00:00Z, and app:v1 was pushed at 2026-11-01T12:00:00Z")

	w.CollectorAhead = -23 * time.Hour // as zones differ
	w.Collect()
	w.CollectorAhead = 0
	w.Collect()
	w.Pull("app:v1")
}

func TestAPushOfAWrongClockIsNamed(t *testing.T) {
	t.Parallel()
	w := gctest.New(t, inFolder(t, options()))
	w.Play("image v1 app:v1 base")
	at := w.Now
	w.Now = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	w.Play("image new other:new base two")
	w.Now = at
	w.Play("wait 2h")
	wantRefused(t, w, gc.RunOptions{}, "other:new was pushed at 2100-01-01T00:00:00Z")
	w.Play("again new other:new")
	w.Collect()

	w.Now = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	w.Play("image untagged other base three")
	w.Now = at.Add(3 * time.Hour)
	wantRefused(t, w, gc.RunOptions{}, "other@untagged was pushed at")
	w.Play("delete other@untagged")
	w.Collect()
}
