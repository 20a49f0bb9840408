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
	planned := sync.OnceFunc(func() { w.Play("again old app:old") })
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{Progress: func(p gc.Progress) {
		if p.Phase == "uploads" { // they are planned last
			planned()
		}
	}})
	if err != nil || report.Removed.Objects != 0 || report.Awaiting.Objects != 0 {
		t.Errorf("got %v and %+v, want that nothing of the namespace went", err, report)
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
	if err != nil {
		t.Fatal(err)
	}
	lastLook := sync.OnceFunc(func() {
		old := registry.Object{Kind: registry.KindManifest, Namespace: app, Digest: w.Digest("old")}
		if err := w.Registry.Maintenance().Revive(t.Context(), old); err != nil {
			t.Error(err)
		}
	})
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{Progress: func(p gc.Progress) {
		if p.Phase == "uploads" { // behind the mark
			lastLook()
		}
	}})
	if err != nil || len(report.Errors) > 0 {
		t.Fatalf("got %v and %v", err, report)
	}
	w.Pull("app@old")
	w.Play("wait 1m\n collect")
	w.Pull("app@old")
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
