package main_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// The tests of this file break what the replicas stand on while clients push, and let it heal. What was
// acknowledged is there afterwards, the clients go on by themselves, and nothing is left in the processes.

// harm is one thing that goes wrong, and how it ends.
type harm struct {
	name   string
	length time.Duration // how long it lasts
	begin  func(t *testing.T)
	end    func(t *testing.T)
}

// long is how long a fault lasts in the slow set of tests, and a moment in the quick one.
func long(moment, slow time.Duration) time.Duration {
	if all() {
		return slow
	}
	return moment
}

func TestNothingAcknowledgedIsLostWhenAReplicaIsKilled(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, replicaOptions{})
	var harms []harm
	for i := range int(long(2, 10)) {
		harms = append(harms, harm{
			name: fmt.Sprint("kill ", i+1), length: time.Second,
			begin: func(t *testing.T) {
				victim := r.members[0]
				victim.process.signal(t, syscall.SIGKILL)
				<-victim.process.done
			},
			end: func(t *testing.T) {
				r.forget(r.members[0])
				r.add(t)
			},
		})
	}
	r.endure(t, harms)
}

func TestNothingAcknowledgedIsLostWhenRedisFails(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, replicaOptions{})
	r.endure(t, []harm{
		{"paused for longer than the lease", long(3*lease, 30*lease), func(*testing.T) { r.redis.Pause() }, func(*testing.T) { r.redis.Resume() }},
		{"killed, and empty when it comes back", long(time.Second, 30*time.Second), func(*testing.T) { r.redis.Kill() }, func(*testing.T) { r.redis.Restart() }},
		{"emptied in a moment", 0, func(*testing.T) { r.redis.Restart() }, func(*testing.T) {}},
	})
}

func TestNothingAcknowledgedIsLostWhenTheServiceFails(t *testing.T) {
	t.Parallel()
	var connection *s3test.Faults
	var refusal atomic.Int64 // the status that every other request is answered
	r := newReplicas(t, replicaOptions{Between: func(cfg s3.Config) s3.Config {
		cfg = s3test.Proxied(t, cfg, func(service http.Handler) http.Handler { return refusing(service, &refusal) })
		cfg, connection = s3test.Faulty(t, cfg)
		return cfg
	}})
	heal := func(*testing.T) { connection.Heal() }
	refuse := func(status int) func(*testing.T) {
		return func(*testing.T) { refusal.Store(int64(status)) }
	}
	moment := long(time.Second, 10*time.Second)
	r.endure(t, []harm{
		{"slow", moment, func(*testing.T) { connection.Slow(300 * time.Millisecond) }, heal},
		{"answers cut", moment, func(*testing.T) { connection.CutAnswers(3000) }, heal},
		{"requests cut", moment, func(*testing.T) { connection.CutRequests(5000) }, heal},
		{"connections reset", moment, func(*testing.T) { connection.Reset() }, heal},
		{"hangs", moment, func(*testing.T) { connection.Hang() }, heal},
		{"500 to every other request", moment, refuse(http.StatusInternalServerError), refuse(0)},
		{"503 SlowDown to every other request", moment, refuse(http.StatusServiceUnavailable), refuse(0)},
		{"dead", long(3*time.Second, time.Minute), func(*testing.T) { connection.Down() }, heal},
	})
}

// refusing answers every other request with a status as S3 does, while there is one.
func refusing(service http.Handler, status *atomic.Int64) http.Handler {
	codes := map[int]string{http.StatusInternalServerError: "InternalError", http.StatusServiceUnavailable: "SlowDown"}
	var count atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal := int(status.Load())
		if refusal == 0 || count.Add(1)%2 == 0 {
			service.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(refusal)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>try again</Message></Error>", codes[refusal])
	})
}

// endure has clients push while one harm comes after the other, each pusher on behind each of them.
func (r *replicas) endure(t *testing.T, harms []harm) {
	t.Helper()
	before := map[*server]vitals{}
	warmUp := newWire(t, r.server)
	for i := range 2 * replicaCount {
		if err := warmUp.pushImage(ocitest.Name("team/app"), ocitest.Image(fmt.Sprint("warm ", i)), ocitest.Tag(fmt.Sprint("warm", i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range r.members {
		before[s] = vitalsOf(t, s)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	pushers := r.startPushers(ctx, t)
	pushers.goOn(t, "a push before anything fails")
	for _, h := range harms {
		t.Logf("%s for %s", h.name, h.length)
		h.begin(t)
		pause(t, h.length)
		h.end(t)
		pushers.goOn(t, "a push behind: "+h.name)
	}
	stop()
	pushers.all.Wait()

	run(t, "crane", "push", writeTarball(t, newImage(t), "x:1"), r.address+"/team/crane:end")
	r.wantAllWhole(t)
	facts := warmUp.acknowledged
	for _, p := range pushers.list {
		t.Logf("pusher %d: %d images, %d attempts that failed, the last one: %v", p.number, p.pushed.Load(), p.failed.Load(), p.last)
		facts = append(facts, p.wire.acknowledged...)
		if len(p.broken) > 0 {
			t.Errorf("pusher %d was answered 500 in place of 503 %d times, the first one: %v", p.number, len(p.broken), p.broken[0])
		}
	}
	checkBucket(t, r.bucket, facts...)
	for s, then := range before {
		if ended(s.process) {
			continue
		}
		eventually(t, "the end of what "+s.address+" did for requests", func() bool {
			now := vitalsOf(t, s)
			return now.goroutines <= then.goroutines+30 && now.memory <= then.memory+128<<20
		})
	}
}

// pause lets a fault last: nobody can be asked whether it was long enough.
func pause(t *testing.T, length time.Duration) {
	t.Helper()
	select {
	case <-time.After(length):
	case <-t.Context().Done():
	}
}

func ended(p *process) bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// vitals are what a process holds.
type vitals struct{ goroutines, memory float64 }

func vitalsOf(t *testing.T, s *server) vitals {
	t.Helper()
	page := scrape(t, s)
	return vitals{figure(t, page, "go_goroutines"), figure(t, page, "process_resident_memory_bytes")}
}

// pushers push through the balancer until they are told to stop.
type pushers struct {
	list []*pusher
	all  sync.WaitGroup
}

// pusher pushes one image after the other, and each of them again until it is acknowledged.
type pusher struct {
	number int
	wire   *wire
	pushed atomic.Int64 // images that were acknowledged
	failed atomic.Int64 // attempts
	last   error        // why the last attempt failed that did; read behind all.Wait
	broken []error      // attempts that were answered 500, which blames nothing that a client could wait for; read behind all.Wait
}

func (r *replicas) startPushers(ctx context.Context, t *testing.T) *pushers {
	t.Helper()
	all := &pushers{}
	for i := range replicaCount {
		p := &pusher{number: i, wire: newWire(t, r.server)}
		all.list = append(all.list, p)
		all.all.Go(func() { p.push(ctx) })
	}
	return all
}

func (p *pusher) push(ctx context.Context) {
	ns := ocitest.Name(fmt.Sprintf("team/pusher%d", p.number))
	for n := 0; ctx.Err() == nil; n++ {
		img := ocitest.Image(fmt.Sprintf("%d of pusher %d", n, p.number))
		for ctx.Err() == nil {
			err := p.wire.pushImage(ns, img, ocitest.Tag(fmt.Sprint("n", n)))
			if err == nil {
				p.pushed.Add(1)
				break
			}
			p.failed.Add(1)
			p.last = err
			if httpapitest.Refused(err, http.StatusInternalServerError) {
				p.broken = append(p.broken, err)
			}
			select { // as clients do
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

// goOn waits until each of them has had another image acknowledged that it began from now on.
func (p *pushers) goOn(t *testing.T, what string) {
	t.Helper()
	var want []int64
	for _, one := range p.list {
		want = append(want, one.pushed.Load()+2) // the first may have been under way
	}
	within(t, time.Minute, what, func() bool {
		for i, one := range p.list {
			if one.pushed.Load() < want[i] {
				return false
			}
		}
		return true
	})
}

// within is eventually, for what may take its time.
func within(t *testing.T, patience time.Duration, what string, holds func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not come within %s", what, patience)
		}
	}
}

// TestCraneGoesOnWhenAReplicaIsKilled leaves it to a real client to try again.
func TestCraneGoesOnWhenAReplicaIsKilled(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, replicaOptions{})
	archives := []string{writeTarball(t, newImage(t), "x:1"), writeTarball(t, newImage(t), "x:2"), writeTarball(t, newImage(t), "x:3")}
	crane := need(t, "crane")
	pushed := make(chan error)
	killed := make(chan struct{})
	for i, archive := range archives {
		go func() { // ends when it has pushed behind the kill, or failed
			var err error
			for n, last := 0, false; err == nil && !last; n++ {
				select {
				case <-killed:
					last = true
				default:
				}
				var out []byte
				cmd := exec.CommandContext(t.Context(), crane, "push", archive, fmt.Sprintf("%s/team/crane%d:%d", r.address, i, n))
				if out, err = cmd.CombinedOutput(); err != nil {
					err = fmt.Errorf("push %d of client %d: %w\n%s", n, i, err, out)
				}
			}
			pushed <- err
		}()
	}
	w := newWire(t, r.server)
	within(t, patience, "the first tag", func() bool { tags, err := w.allTags(); return err == nil && len(tags) > 0 })
	victim := r.members[1]
	victim.process.signal(t, syscall.SIGKILL)
	<-victim.process.done
	close(killed)
	for range archives {
		if err := <-pushed; err != nil {
			t.Error(err)
		}
	}
	r.forget(victim)
	r.wantAllWhole(t)
	checkBucket(t, r.bucket)
}
