package main_test

import (
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// serveTracking starts a server with a config of its own.
func serveTracking(t *testing.T, text string) *server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sreg.yaml")
	writeFile(t, config, text)
	return serve(t, "-c", config, "--address", "127.0.0.1:0")
}

// pushTwice pushes an image under two names.
func pushTwice(t *testing.T, s *server) {
	t.Helper()
	archive := writeTarball(t, newImage(t), "x:1")
	for _, tag := range []string{"pulled", "asked"} {
		run(t, "crane", "push", archive, s.address+"/team/app:"+tag)
	}
	if times := pullTimes(t, s, ocitest.Name("team/app")); len(times.Tags)+len(times.Manifests) > 0 {
		t.Fatalf("after the pushes there are pulls: %v", times)
	}
}

func pullTimes(t *testing.T, s *server, ns oci.Name) registry.PullTimes {
	t.Helper()
	store, opened := openStore(t, s.dir)
	defer store.Close()
	times, err := opened.Maintenance().PullTimes(t.Context(), ns)
	if err != nil {
		t.Fatal(err)
	}
	return times
}

// wantPulled wants that the one tag was pulled at a time or later, and the other one never.
func wantPulled(t *testing.T, times registry.PullTimes, from time.Time) {
	t.Helper()
	from = from.Truncate(time.Second)
	if at := times.Tags[ocitest.Tag("pulled")]; at.Before(from) || at.After(time.Now()) {
		t.Errorf("the tag was pulled at %s, want it not before %s", at, from)
	}
	if at, asked := times.Tags[ocitest.Tag("asked")]; asked {
		t.Errorf("a HEAD is a pull, at %s", at)
	}
	if len(times.Manifests) != 1 {
		t.Errorf("got the times of %d manifests, want that of the one", len(times.Manifests))
	}
}

// TestAServerThatEndsRecordsTheLastPulls pulls once more after the server was told to end.
func TestAServerThatEndsRecordsTheLastPulls(t *testing.T) {
	t.Parallel()
	s := serveTracking(t, "registry: {track_pulls_every: 1h}\nserver: {shutdown: {delay: 2s}}\n")
	pushTwice(t, s)
	w := newWire(t, s)
	if err := w.pushImage(ocitest.Name("late"), one, tagOne); err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	run(t, "crane", "digest", s.address+"/team/app:asked")
	run(t, "crane", "pull", s.address+"/team/app:pulled", filepath.Join(t.TempDir(), "pulled.tar"))
	s.process.signal(t, syscall.SIGTERM)
	s.process.await(t, regexp.MustCompile("draining"))
	if _, err := w.send("GET", "/v2/late/manifests/"+tagOne.String(), "", ""); err != nil {
		t.Fatal(err)
	}
	if err := s.process.wait(t); err != nil {
		t.Fatalf("end: %v, want exit code 0", err)
	}
	wantPulled(t, pullTimes(t, s, ocitest.Name("team/app")), from)
	if late := pullTimes(t, s, ocitest.Name("late")); late.Tags[tagOne].IsZero() {
		t.Errorf("got %v, want the pull that came while the server ended", late)
	}
}

func TestAServerThatIsKilledForgetsNoPullsThatAreOlderThanTheInterval(t *testing.T) {
	t.Parallel()
	s := serveTracking(t, "registry: {track_pulls_every: 1s}\n")
	pushTwice(t, s)
	from := time.Now()
	run(t, "crane", "digest", s.address+"/team/app:asked")
	run(t, "crane", "pull", s.address+"/team/app:pulled", filepath.Join(t.TempDir(), "pulled.tar"))
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for len(pullTimes(t, s, ocitest.Name("team/app")).Tags) == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("nothing is recorded %s after a pull", time.Since(from))
		}
	}
	s.process.signal(t, syscall.SIGKILL)
	<-s.process.done
	wantPulled(t, pullTimes(t, s, ocitest.Name("team/app")), from)
	checkStore(t, s.dir)
}
