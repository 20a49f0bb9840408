package gc_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// inFolder puts a world into a folder of the test's own.
func inFolder(t *testing.T, opts gctest.Options) gctest.Options {
	t.Helper()
	opts.Folder = t.TempDir()
	return opts
}

// options are those of a collector that spares nothing by age but what is a minute old.
func options() gctest.Options {
	cfg := gc.DefaultConfig()
	cfg.Grace, cfg.Trash, cfg.UntaggedAfter = time.Minute, time.Hour, time.Minute
	return gctest.Options{Registry: registry.DefaultConfig(), GC: cfg}
}

// fullWorld has something for every phase of a run: to be revived, destroyed and condemned.
func fullWorld(t *testing.T, opts gctest.Options) *gctest.World {
	t.Helper()
	w := gctest.New(t, inFolder(t, opts))
	w.Play(`
		image v1 app:v1 base one
		image sig app subject=v1 signature
		image old other/app old
		image gone other/app:gone gone
		wait 2h
		delete other/app:gone
		delete app@sig
		collect
		blob stray app
		wait 2h`)
	return w
}

// files are all files of a world but those that every run writes, with their content.
func files(t *testing.T, w *gctest.World) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(w.Root(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(w.Root(), path)
		if err != nil || strings.HasPrefix(name, "_locks/") || name == "_gc/report" {
			return err
		}
		data, err := os.ReadFile(path)
		found[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantRefused runs the collector, which must refuse, change nothing, and name all of mentioned.
func wantRefused(t *testing.T, w *gctest.World, opts gc.RunOptions, mentioned ...string) {
	t.Helper()
	before := files(t, w)
	report, err := w.Collector.Run(t.Context(), opts)
	var refused *gc.RefusedError
	if !errors.As(err, &refused) || report.Outcome != gc.Refused || report.ErrorCount == 0 {
		t.Fatalf("got %v and %+v, want a refusal", err, report)
	}
	if refused.Hint() == "" {
		t.Errorf("%v: it does not say what to do", err)
	}
	for _, text := range mentioned {
		if !strings.Contains(w.Names(err.Error()), text) {
			t.Errorf("got %q, want that it names %q", w.Names(err.Error()), text)
		}
	}
	if after := files(t, w); !maps.Equal(before, after) {
		t.Errorf("the store has changed: got %q, want %q", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
	}
	last, err := w.Collector.LastReport(t.Context())
	if err != nil || last == nil || last.Outcome != gc.Refused || last.Problem == "" {
		t.Errorf("got %+v and %v for a report, want that it was refused and why", last, err)
	}
}

// verdicts are rules that keep the tags of a set, in namespaces that are in another one.
type verdicts struct{ namespaces, keep []string }

func (v verdicts) Rules(ns oci.Name) bool { return slices.Contains(v.namespaces, ns.String()) }

func (v verdicts) Decide(_ oci.Name, _ time.Time, images []registry.Image) []registry.Verdict {
	said := make([]registry.Verdict, len(images))
	for i, image := range images {
		if slices.Contains(v.keep, image.Tag.String()) {
			said[i] = registry.Verdict{Kept: true, Rule: "listed"}
		}
	}
	return said
}

// explained is why something stays or goes, in one text.
func explained(t *testing.T, w *gctest.World, ref string) string {
	t.Helper()
	ns, text, isDigest := strings.Cut(w.Digests(ref), "@")
	target := gc.Target{}
	var err error
	if isDigest {
		target.Digest, err = oci.ParseDigest(text)
	} else {
		ns, text, _ = strings.Cut(ns, ":")
		target.Tag, err = oci.ParseTag(text)
	}
	if err == nil {
		target.Namespace, err = oci.ParseName(ns)
	}
	if err != nil {
		t.Fatal(err)
	}
	report, _ := w.Collector.Run(t.Context(), gc.RunOptions{DryRun: true, Explain: &target})
	var all []string
	for _, one := range report.Explanation {
		all = append(all, one.What)
		all = append(all, one.Why...)
	}
	return w.Names(strings.Join(all, "; "))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
