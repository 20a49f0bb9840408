package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// TestNothingIsLostInARaceOfProcesses has clients push, tag and delete through three replicas while processes
// of sreg gc, to which everything is old, collect the same bucket. In the slow set of tests collectors are
// killed anywhere, too, and stopped for longer than a claim lasts while others go on.
func TestNothingIsLostInARaceOfProcesses(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, replicaOptions{Raced: true})
	race := &processRace{t: t, replicas: r, config: filepath.Join(t.TempDir(), "gc.yaml")}
	writeFile(t, race.config, r.yaml+"gc: {grace: 1ms, trash: 1ms, untagged_after: 1ms}\n")
	ctx, stop := context.WithTimeout(t.Context(), long(12*time.Second, 5*time.Minute))
	defer stop()
	race.over, race.stop = ctx, stop

	var others sync.WaitGroup
	var owners []*bucketOwner
	for i := range 4 {
		o := &bucketOwner{race: race, number: i, tags: map[string]ocitest.Manifest{}}
		for _, s := range r.members {
			o.wires = append(o.wires, newWire(t, s))
		}
		owners = append(owners, o)
		others.Go(func() { race.repeat(o.act) })
	}
	for range 2 {
		others.Go(func() { race.repeat(race.collect) })
	}
	others.Wait()
	for _, o := range owners {
		o.verifyAll()
	}
	t.Logf("%d pushes were acknowledged, %d runs came to their end, %d were killed, %d stood still", race.pushes.Load(), race.runs.Load(), race.kills.Load(), race.stalls.Load())
	if race.pushes.Load() == 0 || race.runs.Load() == 0 {
		t.Error("that was no race")
	}
	// Whatever was killed or stood still, the next runs come to an end.
	ends := 0
	within(t, 2*time.Minute, "three more runs", func() bool {
		out, err := r.gcCommand(t).CombinedOutput()
		switch code := exitCode(err); {
		case code == 0:
			ends++
		case code != 3 && !strings.Contains(string(out), "the store does not answer"):
			t.Fatalf("a run behind the race ended with exit code %d:\n%s", code, out)
		}
		return ends == 3
	})
	for _, o := range owners {
		o.verifyAll()
	}
	race.mu.Lock()
	defer race.mu.Unlock()
	for _, violation := range race.violations {
		t.Error(violation)
	}
	checkBucket(t, r.bucket)
}

// processRace is who works on one bucket at the same time.
type processRace struct {
	t        *testing.T
	replicas *replicas
	config   string          // of the collectors
	over     context.Context // ends with the time, or with the first violation
	stop     context.CancelFunc

	pushes, runs, kills, stalls atomic.Int64

	mu         sync.Mutex
	violations []string // guarded by mu
}

func (r *processRace) repeat(act func()) {
	for r.over.Err() == nil {
		act()
	}
}

func (r *processRace) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
	r.stop()
}

// collect is one run, if nobody else collects.
func (r *processRace) collect() {
	var out strings.Builder
	cmd := exec.CommandContext(r.t.Context(), r.replicas.program, "gc", "-c", r.config, "--max-delete", "100%")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		r.violate("start a collector: %v", err)
		return
	}
	disturbed := make(chan bool, 1)
	done := make(chan struct{})
	go func() { // ends with the process
		disturbed <- r.disturb(cmd, done)
	}()
	err := cmd.Wait()
	close(done)
	killed := <-disturbed
	switch code := exitCode(err); {
	case killed:
		r.kills.Add(1)
	case code == 3: // somebody else collects
	case code == 0:
		r.runs.Add(1)
	case strings.Contains(out.String(), "WARNING: DATA RACE"):
		r.violate("the race detector found a race in a collector:\n%s", &out)
	case strings.Contains(out.String(), "refused"): // nothing was pushed yet
	case strings.Contains(out.String(), "the store does not answer"): // for five seconds: the machine is busy
	case r.stalls.Load() > 0 && strings.Contains(out.String(), "claim"): // it stood still, and was told so
	default:
		r.violate("collect: %v\n%s", err, &out)
	}
}

// disturb now and then kills a collector, or has it stand still for longer than its claim lasts.
func (r *processRace) disturb(cmd *exec.Cmd, done <-chan struct{}) (killed bool) {
	if !all() || rand.N(4) != 0 {
		return false
	}
	after := time.NewTimer(rand.N(2 * time.Second))
	defer after.Stop()
	select {
	case <-done:
		return false
	case <-after.C:
	}
	if rand.N(2) == 0 {
		return cmd.Process.Kill() == nil
	}
	if cmd.Process.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	r.stalls.Add(1)
	select {
	case <-time.After(35 * time.Second):
	case <-r.over.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGCONT) // it may have ended
	return false
}

// bucketOwner pushes, tags and deletes what nobody else does, of layers that all have. So it knows what must be
// there, at any moment.
type bucketOwner struct {
	race   *processRace
	number int
	wires  []*wire                     // one to each replica
	tags   map[string]ocitest.Manifest // what was acknowledged and not deleted
	count  int
}

var raceSpace = ocitest.Name("race/app")

func (o *bucketOwner) any() *wire { return o.wires[rand.N(len(o.wires))] }

func (o *bucketOwner) act() {
	tag := fmt.Sprintf("owner%d-%d", o.number, rand.N(4))
	switch rand.N(5) {
	case 0, 1, 2:
		o.push(tag)
	case 3:
		o.untag(tag)
	case 4:
		o.remove(tag)
	}
	o.verify(fmt.Sprintf("owner%d-%d", o.number, rand.N(4)))
}

// push makes a tag stand for a new image. What became of one that was disturbed is not known, so its tag is
// deleted.
func (o *bucketOwner) push(tag string) {
	o.count++
	img := ocitest.ImageOf(ocitest.Config(fmt.Sprintf("%d of owner %d", o.count, o.number)), ocitest.Layer(fmt.Sprint("layer of all ", rand.N(5))))
	if err := o.pushImage(img, tag); err != nil {
		if !passes(err) {
			o.race.violate("push %s: %v", tag, err)
			return
		}
		o.untag(tag)
		return
	}
	o.tags[tag] = img
	o.race.pushes.Add(1)
	o.verify(tag)
}

// pushImage pushes each blob that a HEAD does not find, as clients do.
func (o *bucketOwner) pushImage(img ocitest.Manifest, tag string) error {
	for _, blob := range img.Blobs() {
		w := o.any()
		_, err := w.send(http.MethodHead, "/v2/"+raceSpace.String()+"/blobs/"+blob.Digest.String(), "", "")
		if httpapitest.Refused(err, http.StatusNotFound) {
			err = o.any().pushBlob(raceSpace, blob.Text)
		}
		if err != nil {
			return err
		}
	}
	return o.any().pushManifest(raceSpace, img, ocitest.Tag(tag))
}

// passes says that a request was told that something went away under it, or to try again.
func passes(err error) bool {
	var r *httpapitest.RefusedError
	return errors.As(err, &r) && (r.Status == http.StatusNotFound || r.Status >= http.StatusInternalServerError)
}

func (o *bucketOwner) untag(tag string) { o.erase(tag, "manifests/"+tag) }

// remove deletes an image with all its tags.
func (o *bucketOwner) remove(tag string) {
	if img, there := o.tags[tag]; there {
		o.erase(tag, "manifests/"+img.Digest.String())
	}
}

// erase deletes until it is acknowledged, or there is nothing.
func (o *bucketOwner) erase(tag, path string) {
	delete(o.tags, tag)
	for range 20 {
		err := o.any().remove(raceSpace, path)
		if err == nil || httpapitest.Refused(err, http.StatusNotFound) {
			break
		}
		if !passes(err) {
			o.race.violate("delete %s: %v", path, err)
			return
		}
	}
	_, err := o.any().send(http.MethodGet, "/v2/"+raceSpace.String()+"/manifests/"+tag, "", "")
	if err == nil {
		o.race.violate("tag %s, which was deleted, is there", tag)
	}
}

// verify pulls what a tag stands for. An answer of 5xx says nothing of what is there.
func (o *bucketOwner) verify(tag string) {
	img, there := o.tags[tag]
	if !there {
		return
	}
	var err error
	for range 20 {
		err = o.any().pull(raceSpace, img, ocitest.Tag(tag))
		var r *httpapitest.RefusedError
		if !errors.As(err, &r) || r.Status < http.StatusInternalServerError {
			break
		}
	}
	if err != nil {
		o.race.violate("tag %s, which was acknowledged with %s: %v", tag, img.Digest, err)
	}
}

func (o *bucketOwner) verifyAll() {
	for tag := range o.tags {
		o.verify(tag)
	}
}
