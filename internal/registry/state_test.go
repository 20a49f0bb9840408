package registry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// sharing opens a Registry on a store that shares a State with others.
func sharing(t *testing.T, store *remote, state *registry.State, change func(*registry.Options)) *world {
	t.Helper()
	return openWorld(t, store, func(o *registry.Options) { o.MetadataTTL, o.State = time.Minute, state }, change)
}

// twoOfOneProcess are two Registries on one store that is far away, as after a reload of the config: the
// first one as it was, the second one with something changed.
func twoOfOneProcess(t *testing.T, first, second func(*registry.Options)) (one, two *world, store *remote) {
	t.Helper()
	folder := inFolder(t)
	if err := folder(t).Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, store = newInstance(t, folder, nil)
	state := registry.NewState()
	return sharing(t, store, state, first), sharing(t, store, state, second), store
}

func asItIs(*registry.Options) {}

func TestASecondRegistryOfAProcessSeesTheWritesOfTheFirst(t *testing.T) {
	t.Parallel()
	remembersNothing := func(o *registry.Options) { o.MetadataTTL = 0 }
	one, two, _ := twoOfOneProcess(t, remembersNothing, asItIs)
	one.must(one.pushImage(app, "one", tagV1), one.pushImage(app, "two"))
	two.wantPull(tagV1, imageOne.Digest)
	one.must(one.pushManifest(app, imageTwo.Content, tagV1))
	two.wantPull(tagV1, imageTwo.Digest)
	two.must(two.reg.DeleteTag(t.Context(), app, tagV1, ""))
	if got, err := one.pull(tagV1); err == nil {
		t.Errorf("pull of a tag that the other one deleted = %s", got)
	}
}

func TestASecondRegistryOfAProcessHasTheCachesOfTheFirst(t *testing.T) {
	t.Parallel()
	one, two, store := twoOfOneProcess(t, asItIs, asItIs)
	one.must(one.pushImage(app, "one", tagV1))
	one.wantPull(tagV1, imageOne.Digest)
	store.reads.Store(0)
	two.wantPull(tagV1, imageOne.Digest)
	if reads := store.reads.Load(); reads != 0 {
		t.Errorf("it read %d times what the first one had read, want never", reads)
	}
}

// TestWhatOneRegistryNotedAnyOfItsProcessRecords: the second one has another interval, or does not track
// pulls itself.
func TestWhatOneRegistryNotedAnyOfItsProcessRecords(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(*registry.Options){
		"as it is":         asItIs,
		"another interval": func(o *registry.Options) { o.Config.TrackPullsEvery = time.Minute },
		"off":              func(o *registry.Options) { o.Config.TrackPulls, o.Config.TrackPullsEvery = false, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				one, two, _ := twoOfOneProcess(t, asItIs, second)
				one.must(one.pushImage(app, "one", tagV1))
				ended := two.trackPulls(t.Context())
				now := time.Now()
				one.reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
				time.Sleep(time.Hour)
				synctest.Wait()
				if err := pulled(app, tagV1, imageOne.Digest, now).Holds(t.Context(), two.reg); err != nil {
					t.Error(err)
				}
				ended()
			})
		})
	}
}

// TestOneRegistryOfAProcessRecordsAtATime: the second one waits for the first, and goes on where it ended.
func TestOneRegistryOfAProcessRecordsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two, _ := twoOfOneProcess(t, asItIs, asItIs)
		one.must(one.pushImage(app, "one", tagV1))
		endOne := one.trackPulls(t.Context())
		synctest.Wait()
		endTwo := two.trackPulls(t.Context())
		endWaiting := two.trackPulls(t.Context())
		synctest.Wait()
		endWaiting() // at once, though the first one still records
		one.reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
		endOne()
		now := time.Now().Add(time.Second)
		time.Sleep(2 * time.Second)
		one.reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
		endTwo()
		if err := pulled(app, tagV1, imageOne.Digest, now).Holds(t.Context(), one.reg); err != nil {
			t.Error(err)
		}
	})
}

// trackPulls records pulls until the function that it returns is called, which waits for the end.
func (w *world) trackPulls(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { // ends with ctx
		w.reg.TrackPulls(ctx, func(err error) { w.t.Error(err) })
		close(ended)
	}()
	return func() { cancel(); <-ended }
}
