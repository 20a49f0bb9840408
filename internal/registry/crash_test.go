package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/faulty"
)

// TestEveryOperationCutAtEveryStep runs each operation again and again, cut off at its first step, its
// second one, and so on to its last; opens the stores anew, as after a crash; verifies S1 to S6 and
// all that was acknowledged; and does the operation once more, which must succeed.
func TestEveryOperationCutAtEveryStep(t *testing.T) {
	t.Parallel()
	for i, op := range operations {
		everywhere(t, op.name, i, func(t *testing.T, sample sampling) {
			for n, more := sample.first, true; more && !t.Failed(); n += sample.every {
				more = breakAt(t, newSharedStore(t, sample.at(t)), op, faulty.Plan{CutAt: n})
			}
		})
	}
}

// TestEveryOperationFailsAtEveryStep makes each step fail once, before it happened and after, and each
// read, in a process that lives on: the next try must succeed without a restart.
func TestEveryOperationFailsAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name string
		plan func(n int) faulty.Plan
	}{
		{"before the step", func(n int) faulty.Plan { return faulty.Plan{FailAt: n} }},
		{"before the step, as the disk is full", func(n int) faulty.Plan { return faulty.Plan{FailAt: n, Err: storage.ErrNoSpace} }},
		{"after the step", func(n int) faulty.Plan { return faulty.Plan{FailAfter: n} }},
		{"at a read", func(n int) faulty.Plan { return faulty.Plan{FailReadAt: n} }},
	} {
		for i, op := range operations {
			everywhere(t, kind.name+", "+op.name, i, func(t *testing.T, sample sampling) {
				for n, more := sample.first, true; more && !t.Failed(); n += sample.every {
					more = breakAt(t, newSharedStore(t, sample.at(t)), op, kind.plan(n))
				}
			})
		}
	}
}

// breakAt does an operation that breaks as planned, and says whether the plan was reached.
func breakAt(t *testing.T, stores *sharedStore, op operation, plan faulty.Plan) bool {
	t.Helper()
	w := stores.world()
	facts := op.before(w)
	if plan.FailReadAt > 0 {
		plan.FailReadAt += stores.readsToOpen()
	}

	in := faulty.NewInjector(plan)
	broken := stores.faultyWorld(in)
	err := op.do(broken)
	if !in.Broken() {
		if err != nil {
			t.Errorf("undisturbed: %v", err)
		}
		return false
	}
	steps := in.Steps()
	where := fmt.Sprintf("%+v, at %s", plan, steps[max(len(steps), 1)-1:])
	if err != nil || !removesTagEntry(steps, plan) {
		wantCause(t, where, plan, err)
	}

	next := broken
	if plan.CutAt > 0 {
		next = stores.world()
	}
	verify(t, op, where, next, slices.Concat(facts, broken.acknowledged))
	again := stores.world()
	if err := op.do(again); err != nil && !(op.removes && isUnknown(err)) {
		t.Errorf("%s: done once more: %v", where, err)
	}
	verify(t, op, where+", done once more", again, slices.Concat(facts, again.acknowledged))
	return true
}

// removesTagEntry tells whether the step that broke was the removal of a tag entry: then the tag is gone or has moved, and
// the entry goes with that of the trash, so that nobody hears of it.
func removesTagEntry(steps []string, plan faulty.Plan) bool {
	broken := max(plan.CutAt, plan.FailAt, plan.FailAfter)
	return broken > 0 && broken <= len(steps) && strings.HasPrefix(steps[broken-1], "delete ") && strings.Contains(steps[broken-1], "/_manifests/tagged/")
}

// wantCause lets an operation succeed in spite of a failure, but not call it something else: an outage
// must not read as not-found.
func wantCause(t *testing.T, where string, plan faulty.Plan, err error) {
	t.Helper()
	switch {
	case plan.CutAt > 0 && !errors.Is(err, faulty.ErrCut):
		t.Errorf("%s: %v, want %v", where, err, faulty.ErrCut)
	case err != nil && plan.Err != nil && !errors.Is(err, plan.Err):
		t.Errorf("%s: %v, want %v", where, err, plan.Err)
	case err != nil && isUnknown(err):
		t.Errorf("%s: %v, want no word of not-found", where, err)
	}
}

func isUnknown(err error) bool {
	return errors.Is(err, registry.ErrBlobUnknown) || errors.Is(err, registry.ErrManifestUnknown) || errors.Is(err, registry.ErrUploadUnknown)
}

func verify(t *testing.T, op operation, where string, w *world, facts []registrytest.Fact) {
	t.Helper()
	dangling := registrytest.Check(t, w.subject(), facts...)
	if !op.removes && len(dangling) > 0 {
		t.Errorf("S2: %s: what is gone is named by\n  %s", where, strings.Join(dangling, "\n  "))
	}
	if t.Failed() {
		t.Fatalf("the invariants broke with %s", where)
	}
}

// TestNoLockDecidesSafety is S7: with a locker that excludes nobody, two writers of one session and
// many pushers of one tag leave nothing that is wrong, only errors.
func TestNoLockDecidesSafety(t *testing.T) {
	t.Parallel()
	stores := newSharedStore(t, inMemory(t))
	stores.locks = noLocks{}
	w := stores.world()
	facts := w.must(w.pushImage(app, "base", tagV1))

	upload, err := w.reg.StartUpload(w.ctx, app, oci.SHA256, "somebody")
	w.must(err)
	done := make(chan error)
	for i := range 6 {
		go func() { // ends when its push or its chunk has ended
			if i%2 == 0 {
				done <- registrytest.Pusher{To: w.reg}.PushManifest(w.ctx, app, ocitest.Image("base").Note(fmt.Sprint(i)).Content, tagV1)
				return
			}
			_, err := w.reg.AppendUpload(w.ctx, app, upload.ID, registry.Chunk{Body: strings.NewReader("0123456789"), Start: -1})
			done <- err
		}()
	}
	for range 6 {
		if err := <-done; err != nil && !errors.Is(err, registry.ErrUploadBusy) {
			t.Errorf("racing without locks: %v", err)
		}
	}
	pushed := []oci.Digest{}
	for i := range 6 {
		pushed = append(pushed, ocitest.Image("base").Note(fmt.Sprint(i)).Digest)
	}
	facts = slices.DeleteFunc(facts, func(f registrytest.Fact) bool { return strings.HasPrefix(f.Name, "tag ") })
	facts = append(facts, registrytest.TagIs(app, tagV1, pushed...))
	if dangling := registrytest.Check(t, w.subject(), facts...); len(dangling) > 0 {
		t.Errorf("S2: what is gone is named by %q", dangling)
	}
}

// noLocks is a Locker that has lost all its leases.
type noLocks struct{}

func (noLocks) Lock(ctx context.Context, _ string) (context.Context, func(), error) {
	return ctx, func() {}, nil
}
