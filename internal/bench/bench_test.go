package bench

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMain lets the test binary be the programs that a run starts: the floor as the bench calls it, a
// floor again where sreg, the Docker registry or an S3 service would serve, and a collector in the place of theirs.
func TestMain(m *testing.M) {
	play, arg := "", ""
	if len(os.Args) > 1 {
		play, arg = os.Args[1], os.Args[len(os.Args)-1]
	}
	switch play {
	case FloorCommand, "--port", "serve":
		end(ServeFloor(context.Background(), strings.TrimSuffix(arg, ".yaml")))
	case "gc":
		end(playCollector(os.Args[3], printPlan))
	case "garbage-collect":
		end(playCollector(strings.TrimSuffix(arg, ".yaml"), printPeerPlan))
	}
	os.Exit(m.Run())
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// smokeRun measures tiny rows with floors in every place.
func smokeRun(t *testing.T, only string) []Result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	results, err := Run(t.Context(), Options{
		Peer: self, Floor: self, Subject: "floor",
		Only: regexp.MustCompile(only), Short: true, Temp: t.TempDir(), Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestEveryRowThatAFloorCanPlayIsMeasured(t *testing.T) {
	t.Parallel()
	results := smokeRun(t, "^manifest|^blob|^push|^image|^idle|^parallel")

	if want := 16; len(results) != want {
		t.Errorf("rows: got %d, want %d", len(results), want)
	}
	for _, r := range results {
		if r.Verdict == Failed {
			t.Errorf("%s: %s", r.ID, r.Error)
		}
	}
}

func TestARowThatCannotBeMeasuredSaysWhyAndStopsNothing(t *testing.T) {
	t.Parallel()
	results := smokeRun(t, "^tags-page$|^manifest-get-10000$")

	verdicts := map[string]Result{}
	for _, r := range results {
		verdicts[r.ID] = r
	}
	if got := verdicts["tags-page"]; got.Verdict != Failed || !strings.Contains(got.Error, "/tags/list?n=10") {
		t.Errorf("tags-page: got %s, %q, want failed with the request", got.Verdict, got.Error)
	}
	if got := verdicts["manifest-get-10000"]; got.Verdict == Failed {
		t.Errorf("manifest-get-10000: got failed, %q, want a figure", got.Error)
	}
}

func TestARunLeavesNoFiles(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	_, err = Run(t.Context(), Options{
		Peer: self, Floor: self, Subject: "floor", Only: regexp.MustCompile("^blob-get-16k$"), Short: true, Temp: temp,
	})
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left in the folder: got %v, want nothing", left)
	}
}

func TestAServerThatEndsAtOnceIsReportedWithItsOutput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	broken := program{name: "broken", path: "/bin/sh", args: func(string) ([]string, error) {
		return []string{"-c", "echo no such option"}, nil
	}}
	_, err := startServer(t.Context(), broken, dir)
	if err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("got %v, want an error that quotes the output", err)
	}
}

func TestASelectionThatMatchesNothingIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), Options{Only: regexp.MustCompile("^none$")}); err == nil {
		t.Error("got no error")
	}
}

func TestRowIDsAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, opts := range []Options{{}, {Collectors: true}, {S3: "versitygw"}} {
		for _, g := range groups(&stage{opts: opts}) {
			for _, r := range g.rows {
				if seen[r.id] {
					t.Errorf("%s stands there twice", r.id)
				}
				seen[r.id] = true
			}
		}
	}
}
