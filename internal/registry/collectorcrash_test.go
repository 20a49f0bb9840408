package registry_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/faulty"
)

// TestACollectorCutAtEveryStep cuts a run off at its first step, its second one, and so on. What was
// acknowledged is there after each, and the runs that follow come to the same end as without it.
func TestACollectorCutAtEveryStep(t *testing.T) {
	t.Parallel()
	collectBroken(t, "cut", func(n int) faulty.Plan { return faulty.Plan{CutAt: n} })
}

// TestACollectorFailsAtEveryStep makes each step of a run fail once, before it happened and after.
func TestACollectorFailsAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name string
		plan func(n int) faulty.Plan
	}{
		{"before the step", func(n int) faulty.Plan { return faulty.Plan{FailAt: n} }},
		{"before the step, as the disk is full", func(n int) faulty.Plan { return faulty.Plan{FailAt: n, Err: storage.ErrNoSpace} }},
		// The first step is the claim, which one that failed would hold until its process ends.
		{"after the step", func(n int) faulty.Plan { return faulty.Plan{FailAfter: n + 1} }},
	} {
		collectBroken(t, kind.name, kind.plan)
	}
}

// TestAMarkThatCannotReadDoesNothing makes each look and each listing of a mark fail once.
func TestAMarkThatCannotReadDoesNothing(t *testing.T) {
	t.Parallel()
	collectBroken(t, "at a read", func(n int) faulty.Plan { return faulty.Plan{FailReadAt: n} })
}

// collectBroken breaks one run after the other in equal worlds, until a run does not reach the place.
func collectBroken(t *testing.T, name string, plan func(n int) faulty.Plan) {
	t.Helper()
	everywhere(t, name, 0, func(t *testing.T, sample sampling) {
		undisturbed := newUntidy(t, newSharedStore(t, sample.at(t)))
		undisturbed.tidy()
		want := undisturbed.keys()
		for n, more := sample.first, true; more; n += sample.every {
			u := newUntidy(t, newSharedStore(t, sample.at(t)))
			more = u.breakRun(plan(n))
			u.verify("broken")
			u.tidy()
			if dangling := u.verify("tidied"); len(dangling) > 0 {
				t.Errorf("what is gone is named by %q", dangling)
			}
			if got := u.keys(); !slices.Equal(got, want) {
				t.Errorf("the runs that follow leave\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
			if t.Failed() {
				t.Fatalf("with the collector broken %+v", plan(n))
			}
		}
	})
}

// untidy is a world in which a run has something to do in each of its phases.
type untidy struct {
	*world
	stores *sharedStore
	facts  []registrytest.Fact
}

func newUntidy(t *testing.T, stores *sharedStore) *untidy {
	t.Helper()
	w := stores.world()
	u := &untidy{world: w, stores: stores}
	w.must(w.pushImage(app, "past"), w.pushImage(app, "back"), w.pushImage(other, "past", tagV1), w.pushImage(app, "torn", tagBig))
	newCollector(t, stores.open()).run() // condemns what has no tag
	w.acknowledged = nil

	facts := w.must(w.pushImage(app, "one", tagV1), pushReferrer(w))
	// A tag of what is condemned makes it needed again, as a promise would have done by itself.
	w.must(w.pushImage(app, "two"))
	facts = append(facts, registrytest.ImageIs(other, ocitest.Image("past"), tagV1)...)
	past, back := ocitest.Image("past").Digest, ocitest.Image("back").Digest
	w.put("team/app/_manifests/tags/back", w.record("other/_manifests/tags/v1", past, back))
	for entry, err := range w.store.List(w.ctx, "other/_manifests/tagged", storage.ListOptions{Deep: true}) {
		w.must(err)
		w.put("team/app/_manifests/tagged/"+back.Hex()[:2]+"/"+strings.Replace(entry.Name[3:], past.Hex()[:32], back.Hex()[:32], 1), nil)
	}
	facts = append(facts, registrytest.ManifestIs(app, ocitest.Image("back").Text), registrytest.BlobIs(app, "layer back"))
	// A delete that was killed when the manifest was gone.
	killed := stores.faultyWorld(faulty.NewInjector(faulty.Plan{CutAt: 3}))
	if err := killed.reg.DeleteManifest(w.ctx, app, ocitest.Image("torn").Digest, ""); !errors.Is(err, faulty.ErrCut) {
		t.Fatalf("a delete that was to be killed: %v", err)
	}
	w.acknowledged = nil
	u.facts = facts
	return u
}

// record is what a tag's record says, of another manifest.
func (w *world) record(key string, was, is oci.Digest) []byte {
	w.t.Helper()
	value, err := w.store.Get(w.ctx, key)
	w.must(err)
	text := regexp.MustCompile(`,"sum":"[^"]*"`).ReplaceAllString(string(value.Data), "") // as earlier versions wrote it
	return []byte(strings.ReplaceAll(text, was.String(), is.String()))
}

func (w *world) put(key string, data []byte) {
	w.t.Helper()
	_, err := w.store.Put(w.ctx, key, data, storage.PutOptions{})
	w.must(err)
}

// breakRun lets one run break as planned, and says whether the plan was reached. What cannot be read in the
// mark keeps a run from doing anything.
func (u *untidy) breakRun(plan faulty.Plan) bool {
	u.t.Helper()
	if plan.FailReadAt > 0 {
		plan.FailReadAt += u.stores.readsToOpen()
	}
	in := faulty.NewInjector(plan)
	collector := newCollector(u.t, faulty.New(u.stores.open(), in))
	marked := false
	report, err := collector.real.Run(context.Background(), gc.RunOptions{Progress: func(p gc.Progress) {
		marked = marked || p.Phase == "uploads" // they are looked for when the mark is over
	}})
	if !in.Broken() {
		if err != nil {
			u.t.Errorf("undisturbed: %v", err)
		}
		return false
	}
	steps := in.Steps()
	switch {
	case err == nil && removesTagEntry(steps, plan):
	case err == nil:
		u.t.Errorf("%+v, at %s: no error", plan, steps[max(len(steps), 1)-1:])
	case plan.CutAt > 0 && !errors.Is(err, faulty.ErrCut) && !errors.Is(err, gc.ErrIncomplete):
		u.t.Errorf("%+v, at %s: %v", plan, steps[max(len(steps), 1)-1:], err)
	}
	if plan.FailReadAt > 0 && !marked {
		u.didNothing(steps, report)
	}
	return true
}

func (u *untidy) didNothing(steps []string, report *gc.Report) {
	u.t.Helper()
	for _, step := range steps {
		if !strings.HasPrefix(step, "claim ") && step != "put _gc/report" {
			u.t.Errorf("a mark that could not read was followed by %q", step)
		}
	}
	if report == nil || report.Outcome != gc.Failed {
		u.t.Errorf("got report %+v, want one of a failure", report)
	}
}

func (u *untidy) verify(when string) (dangling []string) {
	u.t.Helper()
	dangling = registrytest.Check(u.t, u.subject(), u.facts...)
	if u.t.Failed() {
		u.t.Fatalf("the world is %s", when)
	}
	return dangling
}

// tidy collects until there is nothing to do.
func (u *untidy) tidy() {
	u.t.Helper()
	collector := newCollector(u.t, u.stores.open())
	for range 10 {
		report, err := collector.real.Run(u.ctx, gc.RunOptions{})
		u.must(err)
		if report.Awaiting.Objects+report.Freed.Objects+report.Revived.Objects+int64(len(report.Plan.Finish)) == 0 {
			return
		}
	}
	u.t.Fatal("ten runs have not come to an end")
}

// keys are what lies in the store, but for what has a random name, with what state it is in.
func (u *untidy) keys() []string {
	u.t.Helper()
	var keys []string
	for entry, err := range u.store.List(u.ctx, "", storage.ListOptions{Deep: true}) {
		u.must(err)
		if !strings.HasPrefix(entry.Name, "_deleted/") {
			keys = append(keys, withoutID(entry.Name))
		}
	}
	for condemnation, err := range u.store.Condemned(u.ctx, "") {
		u.must(err)
		keys = append(keys, fmt.Sprintf("%s, condemned", condemnation.Key))
	}
	slices.Sort(keys)
	return keys
}

// withoutID is the key of a tag entry without its id, and any other key.
func withoutID(key string) string {
	if strings.Contains(key, "/_manifests/tagged/") {
		return key[:strings.LastIndexByte(key, '~')]
	}
	return key
}

func pathOf(d oci.Digest) string { return string(d.Algorithm()) + "/" + d.Hex() }
