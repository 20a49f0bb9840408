package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/faulty"
)

const pullsKey = "team/app/_pulls"

// recordPulls records what was noted, as at the end of a process, and returns what could not be.
func recordPulls(reg *registry.Registry) error {
	ended, end := context.WithCancel(context.Background())
	end()
	var failed error
	reg.TrackPulls(ended, func(err error) { failed = errors.Join(failed, err) })
	return failed
}

// recordPull is a pull by tag and its record.
func recordPull(w *world) error {
	now := time.Now()
	w.reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
	return w.ack(recordPulls(w.reg), pulled(app, tagV1, imageOne.Digest, now))
}

// pulled says that a tag and its manifest were pulled, not before a time.
func pulled(ns oci.Name, tag oci.Tag, d oci.Digest, from time.Time) registrytest.Fact {
	return registrytest.Fact{
		Name: fmt.Sprintf("pull of tag %s in %s", tag, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			times, err := r.Maintenance().PullTimes(ctx, ns)
			if err != nil {
				return err
			}
			from := from.Truncate(time.Second)
			if times.Tags[tag].Before(from) || times.Manifests[d].Before(from) {
				return fmt.Errorf("want it not before %s, got %v", from, times)
			}
			return nil
		},
	}
}

// neverPulled says that no pull of a tag is known.
func neverPulled(ns oci.Name, tag oci.Tag) registrytest.Fact {
	return registrytest.Fact{
		Name: fmt.Sprintf("no pull of tag %s in %s", tag, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			times, err := r.Maintenance().PullTimes(ctx, ns)
			if at := times.Tags[tag]; err == nil && !at.IsZero() {
				return fmt.Errorf("got one at %s", at)
			}
			return err
		},
	}
}

func keepNone[K any](K) bool { return false }

// TestARecordIsBehindByTheIntervalAtMost pulls each minute for ten hours. What a crash would forget at
// any of these minutes is what the record is behind by, and that is looked at a minute after a pull.
func TestARecordIsBehindByTheIntervalAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := faulty.NewInjector(faulty.Plan{})
		w := newSharedStore(t, inMemory(t)).faultyWorld(in)
		w.must(w.pushImage(app, "one", tagV1))
		every := registry.DefaultConfig().TrackPullsEvery
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { // ends with ctx
			w.reg.TrackPulls(ctx, func(err error) { t.Error(err) })
			close(ended)
		}()
		records, last := 0, time.Time{}
		for minute := range 600 {
			w.reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := countRecords(in); n > records {
				if since := time.Since(last); n > records+1 || since < every {
					t.Errorf("minute %d: %d records, the last one %s ago, want one per %s", minute, n-records, since, every)
				}
				records, last = n, time.Now()
			}
			times, err := w.reg.Maintenance().PullTimes(t.Context(), app)
			w.must(err)
			if behind := time.Since(times.Tags[tagV1]); minute >= 5 && behind > every+time.Minute {
				t.Errorf("minute %d: the record is behind by %s, want at most %s", minute, behind, every)
			}
		}
		if records < 9 || records > 10 {
			t.Errorf("%d records in ten hours, want one per hour", records)
		}
		w.reg.NotePull(app, oci.Reference{Digest: imageOne.Digest}, imageOne.Digest)
		now := time.Now()
		end()
		<-ended
		times, err := w.reg.Maintenance().PullTimes(t.Context(), app)
		w.must(err)
		if got := times.Manifests[imageOne.Digest]; got.Before(now.Truncate(time.Second)) {
			t.Errorf("at the end the last pull is at %s, want %s", got, now)
		}
	})
}

func countRecords(in *faulty.Injector) int {
	n := 0
	for _, step := range in.Steps() {
		if step == "put "+pullsKey {
			n++
		}
	}
	return n
}

// TestAStoreThatIsDownIsToldOnce: the store fails for a day. Nothing is forgotten meanwhile, and an
// operator reads of it once.
func TestAStoreThatIsDownIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, inMemory(t))
		w.must(w.pushImage(app, "one", tagV1), w.pushImage(other, "one", tagV1))
		flaky := &outage{Store: w.store}
		reg := openWorld(t, flaky).reg
		var told []error
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { // ends with ctx
			reg.TrackPulls(ctx, func(err error) { told = append(told, err) })
			close(ended)
		}()
		flaky.down.Store(true)
		pulledAt := time.Now()
		reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
		reg.NotePull(other, oci.Reference{Tag: tagV1}, imageOne.Digest)
		time.Sleep(24 * time.Hour)
		flaky.down.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, ns := range []oci.Name{app, other} {
			if err := pulled(ns, tagV1, imageOne.Digest, pulledAt).Holds(t.Context(), w.reg); err != nil {
				t.Errorf("when the store is back: %v", err)
			}
		}
		end()
		<-ended
		if len(told) != 1 || !errors.Is(told[0], errOutage) {
			t.Errorf("told %q, want the outage once", told)
		}
	})
}

var errOutage = errors.New("the store is down")

// outage is a Store of which records cannot be read for a while.
type outage struct {
	storage.Store
	down atomic.Bool
}

func (o *outage) Get(ctx context.Context, key string) (storage.Value, error) {
	if o.down.Load() {
		return storage.Value{}, errOutage
	}
	return o.Store.Get(ctx, key)
}

// TestTwoProcessesRecordPullsOfOneNamespace: each adds to what the other one recorded, and the later
// time stays.
func TestTwoProcessesRecordPullsOfOneNamespace(t *testing.T) {
	t.Parallel()
	const rounds = 20
	stores := newSharedStore(t, inMemory(t))
	first := stores.world()
	first.must(first.pushImage(app, "one"))
	var seconds atomic.Int64
	clock := func() time.Time { return time.Unix(seconds.Load(), 0) }
	var regs []*registry.Registry
	for range 4 {
		regs = append(regs, openWorld(t, stores.open(), func(o *registry.Options) { o.Now = clock }).reg)
	}
	for round := range rounds {
		seconds.Store(int64(1000 + round))
		atOnce(len(regs), func(i int) {
			own := ocitest.Tag(fmt.Sprintf("own-%d-%d", i, round))
			for _, tag := range []oci.Tag{own, tagV1} {
				regs[i].NotePull(app, oci.Reference{Tag: tag}, imageOne.Digest)
			}
			if err := recordPulls(regs[i]); err != nil {
				t.Error(err)
			}
		})
		times, err := first.reg.Maintenance().PullTimes(t.Context(), app)
		first.must(err)
		want := clock()
		if got := len(times.Tags); got != (round+1)*len(regs)+1 {
			t.Fatalf("round %d: %d tags were pulled, want %d", round, got, (round+1)*len(regs)+1)
		}
		if tag, d := times.Tags[tagV1], times.Manifests[imageOne.Digest]; !tag.Equal(want) || !d.Equal(want) {
			t.Fatalf("round %d: the last pull of tag and manifest is at %s and %s, want %s", round, tag, d, want)
		}
	}
	seconds.Store(1) // a clock that went back
	regs[0].NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
	first.must(recordPulls(regs[0]))
	times, err := first.reg.Maintenance().PullTimes(t.Context(), app)
	first.must(err)
	if got, want := times.Tags[tagV1].Unix(), int64(1000+rounds-1); got != want {
		t.Errorf("an earlier pull replaces a later one: got second %d, want %d", got, want)
	}
	registrytest.Check(t, first.subject(), first.acknowledged...)
}

func TestADamagedRecordOfPullsIsNamedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"", "{", "null", "[]", "{}", `{"tags":{"-":1},"manifests":{}}`, `{"tags":{},"manifests":{"sha256:00":1}}`, `{"tags":{"v1":"noon"},"manifests":{}}`} {
		w := newWorld(t, inMemory(t))
		w.must(w.pushImage(app, "one", tagV1))
		_, err := w.store.Put(t.Context(), pullsKey, []byte(damage), storage.PutOptions{})
		w.must(err)
		names := func(err error) bool { return err != nil && strings.Contains(err.Error(), pullsKey) }
		if times, err := w.reg.Maintenance().PullTimes(t.Context(), app); !names(err) {
			t.Errorf("%s: got %v, %v, want an error that names %s", damage, times, err, pullsKey)
		}
		if err := w.reg.Maintenance().PrunePulls(t.Context(), app, keepNone[oci.Tag], keepNone[oci.Digest]); !names(err) {
			t.Errorf("%s: prune: %v, want an error that names %s", damage, err, pullsKey)
		}
		now := time.Now()
		w.reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
		for range 2 {
			if err := recordPulls(w.reg); !names(err) {
				t.Errorf("%s: record: %v, want an error that names %s", damage, err, pullsKey)
			}
		}
		if object, err := w.store.Get(t.Context(), pullsKey); err != nil || string(object.Data) != damage {
			t.Errorf("%s: it is %q, %v now, want it left alone", damage, object.Data, err)
		}
		w.must(w.store.Delete(t.Context(), pullsKey, storage.DeleteOptions{}), recordPulls(w.reg))
		if err := pulled(app, tagV1, imageOne.Digest, now).Holds(t.Context(), w.reg); err != nil {
			t.Errorf("%s: after somebody removed it: %v", damage, err)
		}
	}
}

func TestWhatIsKeptOrThereIsNotPruned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.must(w.pushImage(app, "one", tagV1))
	gone, kept := ocitest.Tag("gone"), ocitest.Tag("kept")
	for tag, name := range map[oci.Tag]string{tagV1: "one", gone: "gone", kept: "kept"} {
		w.reg.NotePull(app, oci.Reference{Tag: tag}, ocitest.Image(name).Digest)
	}
	w.must(recordPulls(w.reg))
	w.must(w.reg.Maintenance().PrunePulls(t.Context(), app,
		func(tag oci.Tag) bool { return tag == kept }, func(d oci.Digest) bool { return d == ocitest.Image("kept").Digest }))
	times, err := w.reg.Maintenance().PullTimes(t.Context(), app)
	w.must(err)
	for tag, want := range map[oci.Tag]bool{tagV1: true, kept: true, gone: false} {
		if _, got := times.Tags[tag]; got != want {
			t.Errorf("tag %s has a time: got %t, want %t", tag, got, want)
		}
	}
	for name, want := range map[string]bool{"one": true, "kept": true, "gone": false} {
		if _, got := times.Manifests[ocitest.Image(name).Digest]; got != want {
			t.Errorf("manifest %s has a time: got %t, want %t", name, got, want)
		}
	}
	w.must(w.reg.DeleteManifest(t.Context(), app, imageOne.Digest, ""))
	w.must(w.reg.Maintenance().PrunePulls(t.Context(), app, keepNone[oci.Tag], keepNone[oci.Digest]))
	if _, err := w.store.Stat(t.Context(), pullsKey); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("a record of nothing: %v, want %v", err, storage.ErrNotExist)
	}
}

// TestPrunedBesideRecords: what is there keeps its last time, whatever runs at once.
func TestPrunedBesideRecords(t *testing.T) {
	t.Parallel()
	const pulls = 50
	store := inMemory(t)
	clients := []*world{newWorld(t, store), newWorld(t, store), newWorld(t, store)}
	clients[0].must(clients[0].pushImage(app, "one", tagV1))
	atOnce(len(clients), func(c int) {
		for i := range pulls {
			if c == 0 {
				if err := clients[c].reg.Maintenance().PrunePulls(t.Context(), app, keepNone[oci.Tag], keepNone[oci.Digest]); err != nil {
					t.Errorf("prune: %v", err)
				}
				continue
			}
			clients[c].reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
			clients[c].reg.NotePull(app, oci.Reference{Tag: ocitest.Tag(fmt.Sprintf("gone-%d-%d", c, i))}, ocitest.Image("gone").Digest)
			if err := recordPulls(clients[c].reg); err != nil {
				t.Errorf("record: %v", err)
			}
		}
	})
	clients[0].must(clients[0].reg.Maintenance().PrunePulls(t.Context(), app, keepNone[oci.Tag], keepNone[oci.Digest]))
	times, err := clients[0].reg.Maintenance().PullTimes(t.Context(), app)
	clients[0].must(err)
	if len(times.Tags) != 1 || len(times.Manifests) != 1 || times.Tags[tagV1].IsZero() {
		t.Errorf("got %v, want the times of %s and its manifest alone", times, tagV1)
	}
	clients[0].check()
}

func TestANamespaceThatIsGoneIsNotBroughtBackByItsPulls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
	w.must(recordPulls(w.reg))
	if _, err := w.store.Stat(t.Context(), pullsKey); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("its record: %v, want %v", err, storage.ErrNotExist)
	}
}

func TestPullsAreNotTrackedWhereTheyMustNotBe(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*registry.Options){
		"not wanted": func(o *registry.Options) { o.Config.TrackPulls = false },
		"read-only":  readOnly,
	} {
		writer := newWorld(t, inMemory(t))
		writer.must(writer.pushImage(app, "one", tagV1))
		reg := openWorld(t, writer.store, set).reg
		reg.NotePull(app, oci.Reference{Tag: tagV1}, imageOne.Digest)
		writer.must(recordPulls(reg))
		if err := neverPulled(app, tagV1).Holds(t.Context(), writer.reg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
