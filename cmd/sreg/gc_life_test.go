package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
)

// eventually waits until something holds that a server does by itself.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not come", what)
		}
	}
}

// scheduled collects every second what no rule keeps, and keeps nothing in the trash.
const scheduled = `
gc: {schedule: "@every 1s", jitter: 0s, grace: 1ms, trash: 1ms, untagged_after: 1ms}
retention: {rules: ["image.tag != null && image.tag.startsWith('keep')"]}
policy: {default: allow}
`

// TestAScheduledCollectorIsSeenByClientsAndOperators has two servers with a folder each; docker pushes to one.
func TestAScheduledCollectorIsSeenByClientsAndOperators(t *testing.T) {
	t.Parallel()
	first, second := serveConfigured(t, scheduled), serveConfigured(t, scheduled)
	archive := writeTarball(t, newImage(t), "x:1")
	crane := func(args ...string) string { return strings.TrimSpace(run(t, "crane", args...)) }
	for _, s := range []*server{first, second} {
		crane("push", archive, s.address+"/team/app:keep")
	}
	d := startDockerd(t)
	d.docker(t, "load", "--input", writeTarball(t, newImage(t), first.address+"/team/docker:keep"))
	d.docker(t, "push", first.address+"/team/docker:keep")
	crane("push", writeTarball(t, newImage(t), "x:2"), first.address+"/team/app:drop")

	eventually(t, "the end of tag drop", func() bool { return crane("ls", first.address+"/team/app") == "keep" })
	eventually(t, "the first byte that is freed", func() bool { return freed.MatchString(first.process.output()) })
	for _, s := range []*server{first, second} {
		crane("validate", "--remote", s.address+"/team/app:keep")
		eventually(t, "a run in the metrics", func() bool { return strings.Contains(scrape(t, s), "\nsreg_gc_last_run_timestamp_seconds ") })
		if failures := figure(t, scrape(t, s), "sreg_gc_last_run_errors"); failures != 0 {
			t.Errorf("the last run had %v errors", failures)
		}
	}
	crane("validate", "--remote", first.address+"/team/docker:keep")
	d.docker(t, "rmi", first.address+"/team/docker:keep")
	d.docker(t, "pull", first.address+"/team/docker:keep")
	if freed.MatchString(second.process.output()) {
		t.Error("the second server freed something, and nothing was dropped there")
	}
	for _, s := range []*server{first, second} {
		s.stop(t)
		if dangling := checkStore(t, s.dir); len(dangling) > 0 {
			t.Errorf("S2: what is gone is named by %q", dangling)
		}
	}
}

var freed = regexp.MustCompile(`"msg":"collected".*"freed_bytes":[1-9]`)

// blobFile is where a store keeps a blob.
func blobFile(dir string, d oci.Digest) string {
	return filepath.Join(dir, "_blobs", string(d.Algorithm()), d.Hex()[:2], d.Hex())
}

// TestACorruptLayerIsFoundAndHealedByTheNextPush flips one bit on the disk.
func TestACorruptLayerIsFoundAndHealedByTheNextPush(t *testing.T) {
	t.Parallel()
	s := serve(t)
	img := newImage(t)
	archive := writeTarball(t, img, "x:1")
	run(t, "crane", "push", archive, s.address+"/team/app:1")
	var manifest struct{ Layers []struct{ Digest oci.Digest } }
	if err := json.Unmarshal([]byte(run(t, "crane", "manifest", s.address+"/team/app:1")), &manifest); err != nil {
		t.Fatal(err)
	}
	layer := manifest.Layers[0].Digest
	content, err := os.ReadFile(blobFile(s.dir, layer))
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(blobFile(s.dir, layer), content, 0o644); err != nil {
		t.Fatal(err)
	}

	out, err := command(t, binary, "gc", "verify", "--data", s.dir).CombinedOutput()
	if exitCode(err) != 1 || !regexp.MustCompile(`critical\s+corrupt-blob\s.*`+layer.Hex()).Match(out) {
		t.Errorf("verify: want exit code 1 and the name of layer %s, got %v\n%s", layer, err, out)
	}
	if out, err := command(t, "crane", "validate", "--remote", s.address+"/team/app:1").CombinedOutput(); err == nil {
		t.Errorf("the image is whole for crane before it is repaired:\n%s", out)
	}
	// What is moved aside has to come back from somewhere: until then findings remain.
	out, err = command(t, binary, "gc", "verify", "--repair", "--data", s.dir).CombinedOutput()
	if !strings.Contains(string(out), "moved aside") {
		t.Errorf("repair: %v\n%s", err, out)
	}
	if aside, _ := filepath.Glob(filepath.Join(s.dir, "_corrupt", "*", "_blobs", "*", "*", layer.Hex())); len(aside) != 1 {
		t.Errorf("want the corrupt bytes aside, got %q", aside)
	}
	// Under the tag that it has already crane looks at nothing but the manifest.
	run(t, "crane", "push", archive, s.address+"/team/app:again")
	run(t, "crane", "validate", "--remote", s.address+"/team/app:1")
	out, err = command(t, binary, "gc", "verify", "--data", s.dir).CombinedOutput()
	if err != nil {
		t.Errorf("verify behind the push: %v\n%s", err, out)
	}
}

var gone = regexp.MustCompile(`(?m)^\S*cp: .*: No such file or directory\n`)

// TestABackupUnderLoadPullsWholeAndIsJudgedAsTheOriginal copies the folder of a server with cp while crane
// pushes to it.
func TestABackupUnderLoadPullsWholeAndIsJudgedAsTheOriginal(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var before []string // was acknowledged before the copy began
	push := func(archive, tag string) {
		run(t, "crane", "push", archive, s.address+"/team/app:"+tag)
	}
	for i := range 6 {
		tag := fmt.Sprintf("%s-%d", []string{"keep", "drop"}[i%2], i)
		push(writeTarball(t, newImage(t), "x:1"), tag)
		before = append(before, tag)
	}
	archives := make([]string, 20)
	for i := range archives {
		archives[i] = writeTarball(t, newImage(t), "x:1")
	}
	pushed, begun, copied := make(chan error, 1), make(chan struct{}), make(chan struct{})
	go func() { // ends when all is pushed, or the copy is there
		var err error
		for i := 0; err == nil; i++ {
			err = command(t, "crane", "push", archives[i%len(archives)], fmt.Sprintf("%s/team/app:drop-later-%d", s.address, i)).Run()
			if i == 0 {
				close(begun)
			}
			select {
			case <-copied:
				pushed <- err
				return
			default:
			}
		}
		pushed <- err
	}()
	<-begun
	restored := filepath.Join(t.TempDir(), "restored")
	// Files that are on their way go while cp is at them. It says so, and copies the rest.
	if out, err := command(t, "cp", "-r", s.dir, restored).CombinedOutput(); err != nil && gone.ReplaceAllString(string(out), "") != "" {
		t.Errorf("cp: %v\n%s", err, out)
	}
	close(copied)
	if err := <-pushed; err != nil {
		t.Fatalf("push beside the copy: %v", err)
	}
	s.stop(t)

	if out, err := command(t, binary, "gc", "verify", "--repair", "--data", restored).CombinedOutput(); exitCode(err) > 1 || exitCode(err) < 0 {
		t.Errorf("repair: %v\n%s", err, out)
	}
	// Of images that were pushed meanwhile the copy may have a tag and no layers: they read as absent.
	checkStore(t, restored)
	again := serveIn(t, restored)
	for _, tag := range before {
		run(t, "crane", "validate", "--remote", again.address+"/team/app:"+tag)
	}
	again.stop(t)
	original, backup := plannedTags(t, s.dir, before), plannedTags(t, restored, before)
	if len(original) != len(before)/2 || !slices.Equal(original, backup) {
		t.Errorf("retention takes %q of the original and %q of the backup, want the same three", original, backup)
	}
}

// plannedTags are those of some tags that retention would take away.
func plannedTags(t *testing.T, dir string, of []string) (tags []string) {
	t.Helper()
	cmd := gcCommand(t, dir, hastyButForUploads, "--dry-run", "-o", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dry run: %v\n%s", err, stderr.String())
	}
	var report struct {
		Plan struct{ Tags []struct{ Tag string } }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	for _, planned := range report.Plan.Tags {
		if slices.Contains(of, planned.Tag) {
			tags = append(tags, planned.Tag)
		}
	}
	slices.Sort(tags)
	return tags
}
