package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// stock is what the program that makes stores of files says of one.
type stock struct {
	blobs, garbage, manifests, untagged, links, tags, referrers, namespaces int
}

// writeWorld makes a store of files with something of everything, in the layout that a flag of the program names.
func writeWorld(t *testing.T, layout, dir string) stock {
	t.Helper()
	program := filepath.Join(t.TempDir(), "world")
	build := command(t, "go", "build", "-o", program, "./cmd/world")
	build.Dir = filepath.Join("..", "..", "internal", "bench") // a module of its own
	runCmd(t, build)
	said := runCmd(t, command(t, program, layout, dir,
		"-blobs", "700", "-manifests", "90", "-namespaces", "3", "-garbage", "0.2", "-untagged", "0.1"))
	var s stock
	_, err := fmt.Sscanf(strings.TrimPrefix(said, dir+": "),
		"%d blobs (%d garbage), %d manifests (%d untagged), %d links, %d tags, %d referrers, %d namespaces",
		&s.blobs, &s.garbage, &s.manifests, &s.untagged, &s.links, &s.tags, &s.referrers, &s.namespaces)
	if err != nil {
		t.Fatalf("read %q: %v", said, err)
	}
	return s
}

func TestClientsPullFromAStoreThatWasWrittenAsFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	wrote := writeWorld(t, "-sreg", dir)
	pullsFromWorld(t, serveIn(t, dir).address, wrote)
}

// TestTheDockerRegistryTakesAWorldForItsOwn is what the comparison of the collectors stands on. The
// Docker registry is built for the benchmark, so it runs with the slow tests.
func TestTheDockerRegistryTakesAWorldForItsOwn(t *testing.T) {
	t.Parallel()
	if !all() {
		t.Log("runs with make test-all")
		return
	}
	dir := filepath.Join(t.TempDir(), "data")
	wrote := writeWorld(t, "-docker", dir)
	config := dir + ".yaml"
	writeFile(t, config, fmt.Sprintf(
		"version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: \"127.0.0.1:0\"}\n", dir))
	environ := append(os.Environ(), "OTEL_TRACES_EXPORTER=none")

	collect := command(t, "registry", "garbage-collect", "--dry-run", config)
	collect.Env = environ
	want := fmt.Sprintf("%d blobs marked, %d blobs and 0 manifests eligible for deletion",
		wrote.blobs-wrote.garbage+wrote.manifests, wrote.garbage)
	if out := runCmd(t, collect); !strings.Contains(out, want) {
		t.Errorf("garbage-collect: want %q in\n%.2000s", want, out)
	}

	registry := command(t, "registry", "serve", config)
	registry.Env = environ
	address := start(t, registry).await(t, regexp.MustCompile(`listening on ([0-9.:]+)`))[1]
	pullsFromWorld(t, address, wrote)
}

// pullsFromWorld pulls an image, an index and an artifact of each namespace, with all they need.
func pullsFromWorld(t *testing.T, address string, want stock) {
	t.Helper()
	namespaces := strings.Fields(run(t, "crane", "catalog", address))
	if len(namespaces) != want.namespaces {
		t.Errorf("catalog: got %d namespaces, want %d", len(namespaces), want.namespaces)
	}
	tags := 0
	for _, ns := range namespaces {
		found := strings.Fields(run(t, "crane", "ls", address+"/"+ns))
		tags += len(found)
		for _, tag := range []string{found[0], found[len(found)-1]} {
			run(t, "crane", "pull", "--format=oci", address+"/"+ns+":"+tag, filepath.Join(t.TempDir(), "pulled"))
		}
		var index struct{ MediaType string }
		if err := json.Unmarshal([]byte(run(t, "crane", "manifest", address+"/"+ns+":"+found[0])), &index); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(index.MediaType, "index") {
			t.Errorf("%s:%s: got %s, want an index", ns, found[0], index.MediaType)
		}
	}
	if tags != want.tags {
		t.Errorf("got %d tags, want %d", tags, want.tags)
	}
}
