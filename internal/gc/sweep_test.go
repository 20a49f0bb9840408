package gc_test

import (
	"context"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// TestATagThatIsPushedAgainMeanwhileStaysWithAllThatItNeeds: it is not what the rules were asked about, and what
// was planned with it is outdated, too.
func TestATagThatIsPushedAgainMeanwhileStaysWithAllThatItNeeds(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Retention = verdicts{namespaces: []string{"app"}, keep: []string{"kept"}}
	w := gctest.New(t, opts)
	w.Play("image old app:old base old\n image kept app:kept base\n wait 2h")
	report := runWith(t, w, "uploads", func() { w.Play("again old app:old") }) // they are planned last
	if report.Removed.Objects != 0 || report.Awaiting.Objects != 0 {
		t.Errorf("got %+v, want that nothing of the namespace went", report)
	}
	w.Pull("app:old")
	w.Play("wait 2h")
	if report := w.Collect(); report.Removed.Objects != 1 || report.Awaiting.Objects != 5 {
		t.Errorf("got %+v, want that the next run asks the rules again", report)
	}
}

// TestARevisionThatLivesAgainKeepsWhatItNames: a push stands still behind its looks at the content, and its
// revision is condemned with all that it names; then the last look of the push revives the revision alone, when
// the mark of another run has found nothing that needs it.
func TestARevisionThatLivesAgainKeepsWhatItNames(t *testing.T) {
	t.Parallel()
	w := gctest.New(t, options())
	w.Play("image old app:x base old\n image new app:x base new\n wait 30d\n collect\n wait 30d")
	app, err := oci.ParseName("app")
	must(t, err)
	old := registry.Object{Kind: registry.KindManifest, Namespace: app, Digest: w.Digest("old")}
	lastLook := func() { must(t, w.Registry.Maintenance().Revive(t.Context(), old)) }
	if report := runWith(t, w, "uploads", lastLook); len(report.Errors) > 0 { // after the mark
		t.Fatalf("got %+v", report)
	}
	w.Pull("app@old")
	w.Play("wait 1m\n collect")
	w.Pull("app@old")
}

// TestWhatALostCollectorCondemnsLateKeepsWhatItNames: a collector loses its claim and stands still within its last
// condemnation. Meanwhile another one condemns what a client has just pushed needs, as its mark is older than the push.
// Then the first one goes on, in the mark of a later run, which so finds what was pushed neither live nor on its list.
func TestWhatALostCollectorCondemnsLateKeepsWhatItNames(t *testing.T) {
	t.Parallel()
	app, err := oci.ParseName("app")
	must(t, err)
	for kind, needed := range map[registry.Kind]func(t *testing.T, w *gctest.World){
		registry.KindManifest: func(t *testing.T, w *gctest.World) {
			w.Play("image old app:x base old\n image new app:x base new\n wait 30d")
			runWith(t, w, "uploads", func() { w.Play("again old app:y") }) // after the mark
		},
		registry.KindLink: func(t *testing.T, w *gctest.World) {
			w.Play("image old app:y base old")
			blob := registry.Object{Kind: registry.KindBlob, Digest: w.Digest("old.config")}
			must(t, w.Registry.Maintenance().Condemn(t.Context(), blob))
		},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := gctest.New(t, options())
			w.Play("image first a:x first") // is marked before the namespace app
			needed(t, w)
			w.Pull("app:y")
			w.Play("wait 30d")
			late := registry.Object{Kind: kind, Namespace: app, Digest: w.Digest("old")}
			if kind == registry.KindLink {
				late.Digest = w.Digest("old.config")
			}
			report := runWith(t, w, "mark", func() { must(t, w.Registry.Maintenance().Condemn(t.Context(), late)) })
			if report.Freed.Objects != 0 || len(report.Warnings) != 1 {
				t.Errorf("got %+v, want that nothing is destroyed, and a warning", report)
			}
			for range 3 {
				w.Pull("app:y")
				w.Play("wait 30d\n collect")
			}
			w.Pull("app:y")
		})
	}
}

// runWith is a run beside which something is done, when it first reports of a phase.
func runWith(t *testing.T, w *gctest.World, phase string, do func()) *gc.Report {
	t.Helper()
	once := sync.OnceFunc(do)
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{Progress: func(p gc.Progress) {
		if p.Phase == phase {
			once()
		}
	}})
	must(t, err)
	return report
}

func TestASignatureStaysWithAnImageThatIsPushedAgain(t *testing.T) {
	t.Parallel()
	for name, tags := range map[string][]string{"by the tag that it had": {"v1"}, "by another tag": {"v2"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPushed(t)
			manifest, _ := p.image("one", "v1")
			p.image("its signature", "sha256-"+manifest.Hex()+".sig")
			p.decide = func(image registry.Image) bool { // when all tags have been read
				p.manifest(ocitest.Image("one").Content, tags...)
				return false
			}
			report, err := p.collect(1)
			if err != nil {
				t.Fatalf("%v: %q", err, report.Errors)
			}
			if !p.hasTag(tags[0]) || !p.hasTag("sha256-"+manifest.Hex()+".sig") {
				t.Error("the image stays, and its signature is gone")
			}
		})
	}
}

func TestTimesOfPullsOfWhatClientsDeletedGo(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, _ := p.image("one", "v1")
	p.reg.NotePull(p.ns, oci.Reference{Tag: ocitest.Tag("v1")}, manifest)
	ended, end := context.WithCancel(t.Context())
	end()
	p.reg.TrackPulls(ended, p.must)
	p.must(p.reg.DeleteManifest(t.Context(), p.ns, manifest, ""))
	if report, err := p.collect(1); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if times, err := p.reg.Maintenance().PullTimes(t.Context(), p.ns); err != nil || len(times.Tags)+len(times.Manifests) > 0 {
		t.Errorf("got %v, %v, want none", times, err)
	}
}

func TestWhatAnOpenUploadHoldsIsKeptForThisTime(t *testing.T) {
	t.Parallel()
	store, collector := newAltered(t, func(a *altered) { a.busy = true })
	report, err := collector(registry.DefaultConfig()).Run(t.Context(), gc.RunOptions{})
	if err != nil || report.Busy.Objects != 1 || report.Awaiting.Objects != 1 {
		t.Errorf("got %+v, %v, want the link condemned and the bytes kept", report, err)
	}
	store.busy = false
	report, err = collector(registry.DefaultConfig()).Run(t.Context(), gc.RunOptions{})
	if err != nil || report.Busy.Objects != 0 {
		t.Errorf("got %+v, %v, want nothing kept", report, err)
	}
}

// TestWhatIsPushedAnewBehindTheMarkIsNotCondemned: whoever wrote it again needs it.
func TestWhatIsPushedAnewBehindTheMarkIsNotCondemned(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, _ := p.image("one")
	other, _ := p.image("other")
	again := sync.OnceFunc(func() { p.manifest(ocitest.Image("one").Content) })
	p.progress = func(progress gc.Progress) {
		if progress.Phase == "uploads" { // the mark is over
			again()
		}
	}
	if report, err := p.collect(1); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	for d, want := range map[oci.Digest]bool{manifest: false, other: true} {
		info, err := p.reg.Maintenance().Stat(t.Context(), registry.Object{Kind: registry.KindManifest, Namespace: p.ns, Digest: d})
		if err != nil || info.Condemned != want {
			t.Errorf("manifest %s is condemned: %t, %v, want %t", d, info.Condemned, err, want)
		}
	}
}
