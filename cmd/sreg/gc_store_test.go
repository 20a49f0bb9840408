package main_test

import (
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// The tests of the collector run sreg gc as cron does, a process of its own.

// hasty makes a collector without patience: whatever lies there is old already.
const (
	hasty = hastyButForUploads + "registry: {upload_ttl: 1ms}\n"

	// hastyButForUploads is for one that runs beside pushes.
	hastyButForUploads = "gc: {grace: 1ms, trash: 1ms, untagged_after: 1ms, concurrency: 1}\n" +
		"retention: {rules: [\"image.tag != null && image.tag.startsWith('keep')\"]}\n"
)

// gcCommand is sreg gc on a folder, with a config, and what else it is told.
func gcCommand(t *testing.T, dir, yaml string, args ...string) *exec.Cmd {
	t.Helper()
	config := filepath.Join(t.TempDir(), "gc.yaml")
	writeFile(t, config, yaml)
	return command(t, binary, slices.Concat([]string{"gc"}, args, []string{"--data", dir, "-c", config})...)
}

// heldBack is a command that begins when the test lets it: so strace is there before its first call. begin
// returns how it ended.
func heldBack(t *testing.T, dir string, cmd *exec.Cmd) (held *server, begin func() error) {
	t.Helper()
	cmd.Args = slices.Concat([]string{"sh", "-c", `read go; exec "$0" "$@"`}, cmd.Args)
	cmd.Path = need(t, "sh")
	gate, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd)
	return &server{dir: dir, process: p}, func() error {
		err := gate.Close()
		<-p.done // at the latest when the test kills it
		return errors.Join(err, p.err)
	}
}

// exitCode is that of a command that came to its end.
func exitCode(err error) int {
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.ExitCode()
	}
	return -1
}

// What the store has that lifeOf makes: in each namespace something for another part of a run.
var (
	lifeKept     = ocitest.Name("life/kept")     // keep and drop stand for one manifest, lost for another one
	lifeBack     = ocitest.Name("life/back")     // keep names what is condemned, and is revived
	lifeGone     = ocitest.Name("life/gone")     // all of it is condemned, and is destroyed
	lifeDead     = ocitest.Name("life/dead")     // a delete was killed here
	lifeRestored = ocitest.Name("life/restored") // a client removed all of it

	imageKept, imageBack, imageGone     = ocitest.Image("kept"), ocitest.Image("back"), ocitest.Image("gone")
	imageLost, imageDead, imageRestored = ocitest.Image("lost"), ocitest.Image("dead"), ocitest.Image("restored")

	tagKeep = ocitest.Tag("keep")
	lifeIs  = slices.Concat(registrytest.ImageIs(lifeKept, imageKept, tagKeep), registrytest.ImageIs(lifeBack, imageBack, tagKeep))
)

// lifeOf makes a store below a folder in which a run of the collector has something to do in each of its
// phases. It is not served any more.
func lifeOf(t *testing.T, below string) (dir string) {
	t.Helper()
	s := serveConfiguredIn(t, filepath.Join(below, "life"), "registry: {missing_references: allow}")
	w := newWire(t, s)
	err := errors.Join(
		w.pushImage(lifeKept, imageKept, tagKeep, ocitest.Tag("drop")),
		w.pushImage(lifeKept, imageLost, ocitest.Tag("lost")),
		w.pushImage(lifeBack, imageBack, tagKeep),
		w.pushImage(lifeGone, imageGone, tagOne),
		w.pushImage(lifeDead, imageDead, tagKeep),
		w.pushManifest(lifeDead, ocitest.Referrer(imageDead, "application/vnd.test"), ocitest.Tag("keep-too")),
		w.pushImage(lifeRestored, imageRestored, tagOne),
		w.pull(lifeKept, imageLost, ocitest.Tag("lost")),
		w.remove(lifeRestored, "manifests/"+imageRestored.Digest.String()),
		w.remove(lifeRestored, "blobs/"+imageRestored.Layers[0].Digest.String()),
	)
	before := t.TempDir()
	err = errors.Join(err,
		os.CopyFS(before, os.DirFS(filepath.Join(s.dir, lifeDead.String()))),
		w.remove(lifeDead, "manifests/"+ocitest.Referrer(imageDead, "application/vnd.test").Digest.String()),
		w.remove(lifeDead, "manifests/"+imageDead.Digest.String()),
	)
	location, begun := w.begin(lifeKept)
	_, sent := w.send(http.MethodPatch, location, httpapitest.Bytes, "no more than a begin")
	if err := errors.Join(err, begun, sent); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	s.stop(t)
	// A collector looks into each folder of blobs. Those that are empty would be half of what it does.
	for _, folder := range filesBelow(t, filepath.Join(s.dir, "_blobs")) {
		_ = os.Remove(folder) // one that holds a blob stays
	}

	store, opened := openStore(t, s.dir)
	defer store.Close()
	for ns, image := range map[oci.Name]ocitest.Manifest{lifeBack: imageBack, lifeGone: imageGone} {
		condemnWhole(t, opened, ns, image)
	}
	restoreWhatADeleteLeaves(t, filepath.Join(s.dir, lifeDead.String()), before)
	if err := os.Remove(filepath.Join(s.dir, lifeGone.String(), "_manifests", "tags", tagOne.String())); err != nil {
		t.Fatal(err)
	}
	return s.dir
}

// condemnWhole condemns an image with all that it names.
func condemnWhole(t *testing.T, r *registry.Registry, ns oci.Name, image ocitest.Manifest) {
	t.Helper()
	things := []registry.Object{{Kind: registry.KindManifest, Namespace: ns, Digest: image.Digest}}
	for _, blob := range image.Blobs() {
		things = append(things, registry.Object{Kind: registry.KindLink, Namespace: ns, Digest: blob.Digest},
			registry.Object{Kind: registry.KindBlob, Digest: blob.Digest})
	}
	for _, thing := range things {
		if err := r.Maintenance().Condemn(t.Context(), thing); err != nil {
			t.Fatal(err)
		}
	}
}

// files is what a folder of a store has, by path: without locks, and what is only on its way.
type files map[string]string

// passing are folders and files that two runs never have alike: their names are random, or they tell times.
var passing = regexp.MustCompile(`^(_locks|_tmp|_gc|_deleted)(/|$)`)

func filesOf(t *testing.T, dir string) files {
	t.Helper()
	all := files{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if passing.MatchString(path) {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// without lists what a folder has and another one has not, or has otherwise.
func (f files) without(other files) (paths []string) {
	for _, path := range slices.Sorted(maps.Keys(f)) {
		if text, there := other[path]; !there || text != f[path] {
			paths = append(paths, path)
		}
	}
	return paths
}

// collectAll runs the collector until it changes nothing any more, and returns what is left then, and all that
// was left behind any of the runs. Each run must come to a good end.
func collectAll(t *testing.T, dir, yaml string) (last, ever files) {
	t.Helper()
	before, ever := filesOf(t, dir), files{}
	for range 6 {
		runCmd(t, gcCommand(t, dir, yaml, "--max-delete", "100%"))
		after := filesOf(t, dir)
		maps.Copy(ever, after)
		if maps.Equal(before, after) {
			return after, ever
		}
		before = after
	}
	t.Fatalf("it has changed something for the sixth time, and has now\n  %s", strings.Join(slices.Sorted(maps.Keys(before)), "\n  "))
	return nil, nil
}

// restoreWhatADeleteLeaves makes a namespace as if its deletes had been killed: they take the manifests first, and then
// their tags and what else names them.
func restoreWhatADeleteLeaves(t *testing.T, dir, before string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(before), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/revisions/") {
			return err
		}
		content, err := os.ReadFile(filepath.Join(before, path))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
