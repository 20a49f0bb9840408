package main_test

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage/fs"
)

// TestARunFromCronShowsInTheMetricsOfAServer: the figures are those of the report in the store, whoever left it.
func TestARunFromCronShowsInTheMetricsOfAServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, dir)
	if page := scrape(t, s); strings.Contains(page, "sreg_gc_") {
		t.Errorf("got figures of a collector that never ran:\n%s", page)
	}
	run(t, "crane", "push", writeTarball(t, newImage(t), "x:1"), s.address+"/team/app:1")

	run(t, binary, "gc", "--data", dir, "--dry-run")
	if page := scrape(t, s); strings.Contains(page, "sreg_gc_") {
		t.Errorf("got figures of a plan that was not carried out:\n%s", page)
	}
	before := time.Now().Add(-time.Second)
	run(t, binary, "gc", "--data", dir)
	page := scrape(t, s)
	if at := figure(t, page, "sreg_gc_last_run_timestamp_seconds"); at < float64(before.Unix()) || at > float64(time.Now().Unix()+1) {
		t.Errorf("got a run that ended at %f, want now", at)
	}
	if errors := figure(t, page, "sreg_gc_last_run_errors"); errors != 0 {
		t.Errorf("got %f errors, want none", errors)
	}
	figure(t, page, "sreg_gc_last_run_duration_seconds")
	figure(t, page, "sreg_gc_last_run_freed_bytes")
	lint := exec.Command(need(t, "promtool"), "check", "metrics")
	lint.Stdin = strings.NewReader(page)
	for line := range strings.Lines(runCmd(t, lint)) {
		if strings.Contains(line, "sreg_") {
			t.Errorf("promtool: %s", line)
		}
	}

	// A run that is refused shows, too.
	writeFile(t, filepath.Join(dir, "team/app/_manifests/tags/notes.txt.~"), "x")
	if out, err := exec.Command(binary, "gc", "--data", dir).CombinedOutput(); err == nil {
		t.Fatalf("got exit code 0 beside a stray file, want 1\n%s", out)
	}
	if errors := figure(t, scrape(t, s), "sreg_gc_last_run_errors"); errors != 1 {
		t.Errorf("got %f errors after a run that was refused, want 1", errors)
	}
	run(t, "crane", "manifest", s.address+"/team/app:1")
}

// TestAScheduleOfAServerCollects: without anybody who calls the command.
func TestAScheduleOfAServerCollects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "sreg.yaml")
	writeFile(t, config, "gc: {schedule: '@every 1s', jitter: 1ms}\nserver: {listeners: [{name: main, address: 127.0.0.1:0}]}\n")
	s := serveIn(t, filepath.Join(dir, "data"), "-c", config)
	s.process.await(t, regexp.MustCompile(`"msg":"collected".*"outcome":"done"`))
	if errors := figure(t, scrape(t, s), "sreg_gc_last_run_errors"); errors != 0 {
		t.Errorf("got %f errors, want none", errors)
	}
	if out := run(t, binary, "gc", "status", "--data", filepath.Join(dir, "data")); !strings.Contains(out, "outcome\tdone") {
		t.Errorf("got status %q, want that of the server's run", out)
	}
	s.stop(t)
}

// TestASecondCollectorSaysWhoHoldsTheStore, and ends with exit code 3.
func TestASecondCollectorSaysWhoHoldsTheStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	serveIn(t, dir).stop(t)
	store, err := fs.New(fs.Config{Root: dir}, fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	_, release, err := store.Claim(t.Context(), "collect", "process 7 on elsewhere, since yesterday")
	if err != nil {
		t.Fatal(err)
	}
	second := exec.Command(binary, "gc", "--data", dir)
	out, _ := second.CombinedOutput()
	if code := second.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), "process 7 on elsewhere, since yesterday") {
		t.Errorf("got exit code %d and %q, want 3 and who holds it", code, out)
	}
	run(t, binary, "gc", "--data", dir, "--dry-run") // which changes nothing, and needs no lock
	release()
	run(t, binary, "gc", "--data", dir)
}

func scrape(t *testing.T, s *server) string {
	t.Helper()
	response, err := http.Get(s.url("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got status %d and %v for the metrics", response.StatusCode, err)
	}
	return string(page)
}

func figure(t *testing.T, page, name string) float64 {
	t.Helper()
	match := regexp.MustCompile("(?m)^" + name + " (.+)$").FindStringSubmatch(page)
	if match == nil {
		t.Fatalf("there is no %s in\n%s", name, page)
	}
	value, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
