package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/bench/worlds"
)

// aWorld has something of everything that a generated store may hold.
var aWorld = worlds.World{Blobs: 700, Manifests: 90, Namespaces: 3, Garbage: 0.2, Untagged: 0.1}

func TestClientsPullFromAStoreThatWasWrittenAsFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	stock, err := aWorld.WriteSreg(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	pullsFromWorld(t, serveIn(t, dir).address, stock)
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
	stock, err := aWorld.WriteDocker(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	config := dir + ".yaml"
	writeFile(t, config, fmt.Sprintf(
		"version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: \"127.0.0.1:0\"}\n", dir))
	environ := append(os.Environ(), "OTEL_TRACES_EXPORTER=none")

	collect := command(t, "registry", "garbage-collect", "--dry-run", config)
	collect.Env = environ
	want := fmt.Sprintf("%d blobs marked, %d blobs and 0 manifests eligible for deletion",
		stock.Blobs-stock.Garbage+stock.Manifests, stock.Garbage)
	if out := runCmd(t, collect); !strings.Contains(out, want) {
		t.Errorf("garbage-collect: want %q in\n%.2000s", want, out)
	}

	registry := command(t, "registry", "serve", config)
	registry.Env = environ
	address := start(t, registry).await(t, regexp.MustCompile(`listening on ([0-9.:]+)`))[1]
	pullsFromWorld(t, address, stock)
}

// pullsFromWorld pulls an image, an index and an artifact of each namespace, with all they need.
func pullsFromWorld(t *testing.T, address string, stock worlds.Stock) {
	t.Helper()
	namespaces := strings.Fields(run(t, "crane", "catalog", address))
	if len(namespaces) != stock.Namespaces {
		t.Errorf("catalog: got %d namespaces, want %d", len(namespaces), stock.Namespaces)
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
	if tags != stock.Tags {
		t.Errorf("got %d tags, want %d", tags, stock.Tags)
	}
}
