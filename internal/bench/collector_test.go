package bench

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/bench/worlds"
)

var digestText = regexp.MustCompile(`sha256:([0-9a-f]{64})`)

// found is what a collector has seen.
type found struct {
	Namespaces, Tags, Manifests, Links, Blobs int
	garbage                                   int
}

// playCollector finds what no manifest names, and prints it as sreg or as the Docker registry does. It
// knows both layouts of a world.
func playCollector(dir string, print func(found) error) error {
	blobs, named, manifests := map[string][]byte{}, map[string]bool{}, map[string]bool{}
	var all found
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		hex := filepath.Base(strings.TrimSuffix(strings.TrimSuffix(path, "/data"), "/link"))
		switch {
		case strings.Contains(path, "blobs/sha256/"):
			blobs[hex] = content
		case strings.Contains(path, "/_manifests/revisions/"):
			manifests[hex] = true
			name(content, named)
		case strings.Contains(path, "/_manifests/tags/"):
			all.Tags++
		case strings.Contains(path, "/_layers/"):
			all.Links++
		case strings.Contains(path, "_namespaces/"):
			all.Namespaces++
		}
		return err
	})
	if err != nil {
		return err
	}
	for hex := range manifests { // where manifests are blobs
		name(blobs[hex], named)
	}
	for hex := range blobs {
		if !named[hex] && !manifests[hex] {
			all.garbage++
		}
	}
	all.Blobs, all.Manifests = len(blobs), len(manifests)
	return print(all)
}

func printPlan(all found) error {
	type thing struct {
		Kind string `json:"kind"`
	}
	condemn := []thing{}
	for range all.garbage {
		condemn = append(condemn, thing{"link"}, thing{"blob"})
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"totals": all, "plan": map[string]any{"condemn": condemn}})
}

func printPeerPlan(all found) error {
	_, err := fmt.Printf("%d blobs marked, %d blobs and 0 manifests eligible for deletion\n", all.Blobs-all.garbage, all.garbage)
	return err
}

func name(manifest []byte, named map[string]bool) {
	for _, m := range digestText.FindAllSubmatch(manifest, -1) {
		named[string(m[1])] = true
	}
}

func TestEveryRowAboutCollectorsIsMeasured(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	results, err := Run(t.Context(), Options{
		Sreg: self, Peer: self, Floor: self, Collectors: true, Short: true, Temp: t.TempDir(), Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := 7; len(results) != want {
		t.Errorf("rows: got %d, want %d", len(results), want)
	}
	for _, r := range results {
		if r.Verdict == Failed {
			t.Errorf("%s: %s", r.ID, r.Error)
		}
	}
}

func TestAPlanThatIsNotTheWorldsFailsTheRow(t *testing.T) {
	t.Parallel()
	stock := worlds.Stock{Blobs: 100, Garbage: 20, Manifests: 5}
	for name, tc := range map[string]struct {
		check  func([]byte, worlds.Stock) error
		output string
		want   string // of the error; empty for none
	}{
		"the Docker registry's":            {checkPeerPlan, "a: marking\n\n85 blobs marked, 20 blobs and 0 manifests eligible for deletion\n", ""},
		"the Docker registry marks less":   {checkPeerPlan, "84 blobs marked, 20 blobs and 0 manifests eligible for deletion\n", "want 85 blobs marked and 20 eligible"},
		"the Docker registry frees more":   {checkPeerPlan, "85 blobs marked, 21 blobs and 0 manifests eligible for deletion\n", "want 85 blobs marked and 20 eligible"},
		"the Docker registry says nothing": {checkPeerPlan, "", "want a plan"},
		"sreg's":                           {checkPlan, `{"totals":{"manifests":5,"blobs":100},"plan":{"condemn":[` + strings.Repeat(`{"kind":"link"},{"kind":"blob"},`, 20) + `{}]}}`, ""},
		"sreg sees less":                   {checkPlan, `{"totals":{"manifests":4,"blobs":100},"plan":{"condemn":[` + strings.Repeat(`{"kind":"link"},{"kind":"blob"},`, 20) + `{}]}}`, "want a plan for"},
		"sreg condemns less":               {checkPlan, `{"totals":{"manifests":5,"blobs":100},"plan":{"condemn":[]}}`, "want a plan for"},
		"sreg condemns what stays":         {checkPlan, `{"totals":{"manifests":5,"blobs":100},"plan":{"condemn":[` + strings.Repeat(`{"kind":"link"},{"kind":"blob"},`, 20) + `{"kind":"manifest"}]}}`, "want a plan for"},
		"no JSON":                          {checkPlan, "error: no store", "want a plan in JSON, got error: no store"},
	} {
		err := tc.check([]byte(tc.output), stock)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func TestTheMemoryOfAJobIsWhatItHeldAtItsPeak(t *testing.T) {
	t.Parallel()
	s := &stage{dir: t.TempDir()}
	hungry := program{name: "hungry", path: "/bin/sh", args: func(string) ([]string, error) {
		return []string{"-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}"}, nil
	}}
	done, err := s.runJob(t.Context(), hungry, s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(done.output); got != "60000000\n" || done.peak < 60_000_000 {
		t.Errorf("got a peak of %d bytes and %q, want at least 60000000", done.peak, got)
	}
}

func TestAJobThatFailsIsReportedWithItsOutput(t *testing.T) {
	t.Parallel()
	s := &stage{dir: t.TempDir()}
	broken := program{name: "broken", path: "/bin/sh", args: func(string) ([]string, error) {
		return []string{"-c", "echo no such flag; exit 2"}, nil
	}}
	_, err := s.runJob(t.Context(), broken, s.dir)
	if err == nil || !strings.Contains(err.Error(), "no such flag") || !strings.Contains(err.Error(), "exit status 2") {
		t.Errorf("got %v, want an error with the exit code and the output", err)
	}
}

func TestThePartOfTheReportAboutCollectorsIsWrittenAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "performance.md")
	report := Report{Rounds: 3, Results: someResults}
	if err := report.Write(path); err != nil {
		t.Fatal(err)
	}
	collectors := Report{Rounds: 3, Results: []Result{{ID: "gc", Work: "a plan of 100,000 blobs", Verdict: Shown}}}
	if err := collectors.WriteCollectors(path); err != nil {
		t.Fatal(err)
	}
	report.Results = someResults[:1]
	if err := report.Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "idle memory") {
		t.Error("the second report has the table of the first one")
	}
	for _, want := range []string{"| manifest GET |", "| a plan of 100,000 blobs |", "## What makes it fast"} {
		if got := strings.Count(string(text), want); got != 1 {
			t.Errorf("%q stands there %d times, want once", want, got)
		}
	}
}

func TestAPartWithoutAPlaceIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(path, []byte("# Something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Report{}.WriteCollectors(path)
	if err == nil || !strings.Contains(err.Error(), "the marks around the part are not there") {
		t.Errorf("got %v, want an error about the marks", err)
	}
}
