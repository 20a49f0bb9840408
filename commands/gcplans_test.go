package commands_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sreg-project/sreg/commands"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/retention"
	"github.com/sreg-project/sreg/internal/snapshot"
)

// TestPlans plays the worlds of testdata/gc. A case is one file whose sections are done in their order:
//
//	sreg.yaml         the config
//	world             a script, see gctest.World.Play
//	plan [FLAG...]    what sreg gc --dry-run prints
//	explain REF       what sreg gc --explain prints; REF may have names of the script
//	run [FLAG...]     what sreg gc prints; and what it did must be what its plan said
//
// Names of the script stand for digests. With -update the printed texts are rewritten.
func TestPlans(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../testdata/gc/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d cases: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			playCase(t, path)
		})
	}
}

func playCase(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := planCase{t: t}
	for i, file := range archive.Files {
		got, printed := c.section(file)
		if !printed {
			continue
		}
		if want := string(file.Data); got != want && !*update {
			t.Errorf("%s\n-- %s --\ngot:\n%s\nwant:\n%s\n(go test ./commands -run TestPlans -update rewrites it)", archive.Comment, file.Name, got, want)
		}
		archive.Files[i].Data = []byte(got)
	}
	if c.runs == 0 {
		t.Errorf("%s has no run, so that nobody knows whether its plan is true", path)
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// planCase is one case that is played.
type planCase struct {
	t     *testing.T
	cfg   *config.Config
	world *gctest.World
	runs  int
}

// section does what one section says, and returns what it printed.
func (c *planCase) section(file txtar.File) (text string, printed bool) {
	c.t.Helper()
	word, rest, _ := strings.Cut(file.Name, " ")
	if word != "sreg.yaml" && c.world == nil {
		c.configure(nil)
	}
	switch word {
	case "sreg.yaml":
		c.configure(file.Data)
	case "world":
		c.world.Play(string(file.Data))
	case "plan":
		_, text = c.collect(append(strings.Fields(rest), "--dry-run"))
		return text, true
	case "explain":
		_, text = c.collect([]string{"--explain", c.world.Digests(rest)})
		return text, true
	case "run":
		return c.run(strings.Fields(rest)), true
	default:
		c.t.Fatalf("no section is called %q", file.Name)
	}
	return "", false
}

func (c *planCase) configure(text []byte) {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), "sreg.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
	var err error
	if c.cfg, _, err = config.Load(config.Options{Files: []string{path}}); err != nil {
		c.t.Fatal(err)
	}
	rules, err := c.cfg.Rules(policy.NewCompiler())
	if err != nil {
		c.t.Fatal(err)
	}
	c.world = gctest.New(c.t, gctest.Options{
		Registry: c.cfg.Registry, Repositories: snapshot.Repositories(c.cfg), GC: c.cfg.GC, Retention: retention.New(rules.Retention),
	})
}

// collect runs sreg gc with flags on the world, and returns all that a person sees.
func (c *planCase) collect(args []string) (*gc.Report, string) {
	c.t.Helper()
	flags, run, err := commands.ParseGC(args)
	if err != nil {
		c.t.Fatal(err)
	}
	report, err := c.world.Collector.Run(c.t.Context(), run)
	if report == nil {
		c.t.Fatal(err)
	}
	plan := report.Plan
	var screen bytes.Buffer
	code := flags.Print(commands.IO{Out: &screen, Err: &screen, OutIsTerminal: true}, report, c.cfg.GC, err)
	if code != 0 {
		fmt.Fprintf(&screen, "exit code %d\n", code)
	}
	report.Plan = plan
	return report, c.world.Names(screen.String())
}

// run compares what a run does with the plan that was made before it.
func (c *planCase) run(args []string) string {
	c.t.Helper()
	c.runs++
	before := c.world.State()
	planned, _ := c.collect(append(slices.Clone(args), "--dry-run"))
	if changes := before.Changes(c.world.State()); len(changes) > 0 {
		c.t.Errorf("--dry-run changed\n%s", strings.Join(changes, "\n"))
	}
	want := before
	if planned.Outcome == gc.Done {
		want = c.world.After(before, planned.Plan)
	}
	report, text := c.collect(args)
	if changes := want.Changes(c.world.State()); len(changes) > 0 {
		c.t.Errorf("the run did not do what its plan said; the plan's: what is true\n%s", strings.Join(changes, "\n"))
	}
	if planned.Outcome == gc.Done {
		p := planned.Plan
		got := fmt.Sprint(report.Removed.Objects, report.Uploads, report.Revived, report.Freed, report.Awaiting)
		want := fmt.Sprint(len(p.Tags), tally(p.Uploads, func(u gc.PlannedUpload) int64 { return u.Bytes }), tally(p.Revive, bytesOf),
			tally(p.Destroy, bytesOf), tally(p.Condemn, bytesOf))
		if got != want {
			c.t.Errorf("got a report of %s, planned were %s", got, want)
		}
	}
	return text
}

func bytesOf(p gc.Planned) int64 { return p.Bytes }

func tally[T any](list []T, bytes func(T) int64) (sum gc.Tally) {
	for _, one := range list {
		sum.Objects++
		sum.Bytes += bytes(one)
	}
	return sum
}
