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

	"github.com/sreg-project/sreg/internal/oci"
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
	lifeKept = nameOf("life/kept") // keep and drop stand for one manifest, lost for another one
	lifeBack = nameOf("life/back") // keep names what is condemned, and is revived
	lifeGone = nameOf("life/gone") // all of it is condemned, and is destroyed
	lifeDead = nameOf("life/dead") // a delete was killed here
	lifeUndo = nameOf("life/undo") // a client removed all of it

	tagKeep = tagOf("keep")
	lifeIs  = []registrytest.Fact{
		registrytest.ManifestIs(lifeKept, imageOf("kept").manifest()), registrytest.TagIs(lifeKept, tagKeep, imageOf("kept").digest()),
		blobIs(lifeKept, imageOf("kept").config), blobIs(lifeKept, imageOf("kept").layer),
		registrytest.ManifestIs(lifeBack, imageOf("back").manifest()), registrytest.TagIs(lifeBack, tagKeep, imageOf("back").digest()),
		blobIs(lifeBack, imageOf("back").config), blobIs(lifeBack, imageOf("back").layer),
	}
)

// lifeOf makes a store below a folder in which a run of the collector has something to do in each of its
// phases. It is not served any more.
func lifeOf(t *testing.T, below string) (dir string) {
	t.Helper()
	s := serveConfiguredIn(t, filepath.Join(below, "life"), "registry: {missing_references: allow}")
	w := newWire(t, s)
	err := errors.Join(
		w.pushImage(lifeKept, imageOf("kept"), tagKeep, tagOf("drop")),
		w.pushImage(lifeKept, imageOf("lost"), tagOf("lost")),
		w.pushImage(lifeBack, imageOf("back"), tagKeep),
		w.pushImage(lifeGone, imageOf("gone"), tagOne),
		w.pushImage(lifeDead, imageOf("dead"), tagKeep),
		w.pushManifest(lifeDead, referrerTo(imageOf("dead").digest()), tagOf("keep-too")),
		w.pushImage(lifeUndo, imageOf("undo"), tagOne),
		w.pull(lifeKept, imageOf("lost"), tagOf("lost")),
		w.remove(lifeUndo, "manifests/"+imageOf("undo").digest().String()),
		w.remove(lifeUndo, "blobs/"+digestOf(imageOf("undo").layer).String()),
	)
	location, begun := w.begin(lifeKept)
	_, sent := w.send(http.MethodPatch, location, "application/octet-stream", []byte("no more than a begin"))
	if err := errors.Join(err, begun, sent); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	s.stop(t)

	store, opened := openStore(t, s.dir)
	defer store.Close()
	for ns, image := range map[oci.Name]image{lifeBack: imageOf("back"), lifeGone: imageOf("gone")} {
		condemnWhole(t, opened, ns, image)
	}
	// A delete takes the manifest first, and then its tags and its entry among the referrers.
	for _, d := range []oci.Digest{imageOf("dead").digest(), oci.DigestOf(oci.SHA256, referrerTo(imageOf("dead").digest()))} {
		killed := filepath.Join(s.dir, lifeDead.String(), "_manifests", "revisions", "sha256", d.Hex())
		if err := os.Remove(killed); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(s.dir, lifeGone.String(), "_manifests", "tags", tagOne.String())); err != nil {
		t.Fatal(err)
	}
	return s.dir
}

// condemnWhole condemns an image with all that it names.
func condemnWhole(t *testing.T, r *registry.Registry, ns oci.Name, image image) {
	t.Helper()
	things := []registry.Object{{Kind: registry.KindManifest, Namespace: ns, Digest: image.digest()}}
	for _, content := range []string{image.config, image.layer} {
		things = append(things, registry.Object{Kind: registry.KindLink, Namespace: ns, Digest: digestOf(content)},
			registry.Object{Kind: registry.KindBlob, Digest: digestOf(content)})
	}
	for _, thing := range things {
		if err := r.Maintenance().Condemn(t.Context(), thing); err != nil {
			t.Fatal(err)
		}
	}
}

// referrerTo is an artifact that has a subject.
func referrerTo(subject oci.Digest) []byte {
	return []byte(`{"schemaVersion":2,"mediaType":"` + oci.MediaTypeImageManifest + `","artifactType":"application/vnd.test",` +
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},` +
		`"layers":[],"subject":{"mediaType":"` + oci.MediaTypeImageManifest + `","digest":"` + subject.String() + `","size":2}}`)
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
