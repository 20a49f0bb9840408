package commands

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/snapshot"
)

// TestTablesFitTheTerminal: those of all commands, at several widths. A pipe gets all of it.
func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	for name, width := range map[string]int{"60": 60, "80": 80, "140": 140, "pipe": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			io := IO{Out: &out, Err: &out, OutIsTerminal: width > 0, Width: width}
			printSamples(t, io)
			for line := range strings.Lines(out.String()) {
				isHint := strings.HasPrefix(line, "hint:") || strings.HasPrefix(line, "verified")
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); width > 0 && n > width && !isHint && !strings.Contains(line, "would be freed") {
					t.Errorf("a line has %d columns: %s", n, line)
				}
			}
			wantGolden(t, "../testdata/golden/tables-"+name+".txt", out.Bytes())
		})
	}
}

// wantGolden compares with a file, or rewrites it.
func wantGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, string(got), string(want))
}

// printSamples prints a table of each command that has one.
func printSamples(t *testing.T, io IO) {
	t.Helper()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	digest := oci.DigestOf(oci.SHA256, nil)
	ns, err := oci.ParseName("team/backend/registry-cleaner")
	must(t, err)
	tag, err := oci.ParseTag("v1.12.0-rc.3")
	must(t, err)
	sample := func(name string, print func() error) {
		t.Helper()
		fmt.Fprintf(io.Out, "--- %s\n", name)
		must(t, print())
	}
	removed := registry.TrashEntry{Kind: registry.KindTag, Namespace: ns, Tag: tag, Digest: digest, At: now.Add(-3 * time.Hour), By: "github/repo:acme/app:ref:refs/heads/main", Why: "retention: no rule keeps it"}
	manifest := removed
	manifest.Kind, manifest.By, manifest.Why, manifest.Tag = registry.KindManifest, "bob", "", oci.Tag{}
	sample("gc trash", func() error {
		return io.printTrash([]trashRow{newTrashRow(removed, 2048, 24*time.Hour), newTrashRow(manifest, 123456789, 24*time.Hour)}, formatTable, now)
	})
	value := registry.TagValue{Digest: digest, PushedAt: now.Add(-time.Hour), By: "carol"}
	sample("gc history", func() error {
		return io.printHistory(storeRef{Namespace: ns, Tag: tag}, []historyRow{
			newHistoryRow(registry.PastValue{TagValue: value, Current: true, Restorable: true}),
			newHistoryRow(registry.PastValue{TagValue: value, Removed: &removed, Restorable: true}),
			newHistoryRow(registry.PastValue{TagValue: value}),
		}, formatTable, now)
	})
	sample("gc restore", func() error {
		restored := []registry.Restored{{Kind: registry.KindTag, Namespace: ns, Tag: tag, Digest: digest}, {Kind: registry.KindManifest, Namespace: ns, Digest: digest, Found: true}}
		return io.printRestored(restoredRows(restored, false), formatTable)
	})
	sample("gc --dry-run", func() error { return printPlan(io, plannedIn(t, 2), gc.Config{Trash: 24 * time.Hour}) })
	sample("gc verify", func() error {
		return io.printFindings(&scrub.Report{Findings: []scrub.Finding{
			{Severity: scrub.Critical, Code: "damaged-blob", Namespace: ns, Digest: digest, Means: "its bytes do not hash to its digest", Do: "push the image again, or restore it from a backup"},
			{Severity: scrub.Warning, Code: "lost-link", Key: "team/_layers/sha256/" + digest.Hex(), Means: "nothing is behind it", Do: "run with --repair"},
		}}, formatTable)
	})
	sample("user list", func() error {
		rows := []userRow{{Name: "alice", Groups: []string{"dev", "ops", "release-managers"}, Expires: "2099-01-31", Hash: "bcrypt", Rehash: true}, {Name: "ci", Hash: "argon2id"}}
		return io.printUsers(rows, formatTable)
	})
	sample("policy who", func() error {
		return whoAnswer{Who: []whoRow{
			{Kind: "anybody", May: policy.No, By: "global: no rule is true"},
			{Kind: "user", Name: "alice", May: policy.Yes, By: "global: rule web; web: default"},
			{Kind: "token", Name: "github", May: policy.Depends, By: "global: rules ci, office; web: default", Depends: []string{"identity.client_ip", "identity.oidc.claims"}},
		}}.print(io, formatTable)
	})
	sample("config validate --online", func() error {
		return io.printChecked([]snapshot.Checked{
			{Key: "storage.blobs", Where: "s3://bucket/prefix at https://s3.eu-central-1.example.com", Took: 12 * time.Millisecond, Did: "listed, wrote, read and deleted an object"},
		}, formatTable)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCellsAreBrokenBetweenWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cell  string
		width int
		want  string
	}{
		{"no rule keeps it", 8, "no rule|keeps it"},
		{"team/backend/app:v1", 14, "team/backend/|app:v1"},
		{"a verylongwordindeed b", 6, "a|verylo|ngword|indeed|b"},
		{"日本語の名前", 5, "日本|語の|名前"},
		{"", 5, ""},
	} {
		if got := strings.Join(wrapCell(tt.cell, tt.width), "|"); got != tt.want {
			t.Errorf("%q in %d columns: got %q, want %q", tt.cell, tt.width, got, tt.want)
		}
	}
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	t.Parallel()
	always, never := colourAlways, colourNever
	for name, tt := range map[string]struct {
		io   IO
		want bool
	}{
		"a terminal":                {IO{OutIsTerminal: true, Environ: []string{"TERM=xterm"}}, true},
		"a pipe":                    {IO{Environ: []string{"TERM=xterm"}}, false},
		"NO_COLOR":                  {IO{OutIsTerminal: true, Environ: []string{"TERM=xterm", "NO_COLOR=1"}}, false},
		"an empty NO_COLOR":         {IO{OutIsTerminal: true, Environ: []string{"TERM=xterm", "NO_COLOR="}}, true},
		"a terminal without colour": {IO{OutIsTerminal: true, Environ: []string{"TERM=dumb"}}, false},
		"no TERM":                   {IO{OutIsTerminal: true}, false},
		"--color always":            {IO{colour: &always, Environ: []string{"NO_COLOR=1"}}, true},
		"--color never":             {IO{OutIsTerminal: true, Environ: []string{"TERM=xterm"}, colour: &never}, false},
	} {
		tt.io.Out = &bytes.Buffer{}
		if got := tt.io.outColours().paint(bad, "FAIL") != "FAIL"; got != tt.want {
			t.Errorf("%s: got colours: %v, want %v", name, got, tt.want)
		}
	}
}
