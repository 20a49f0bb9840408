package scrub

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestEveryFindingSaysWhatItMeansAndWhatToDo(t *testing.T) {
	t.Parallel()
	for code, kind := range kinds {
		f := newFinding(code, registry.ParseKey("team/app/_manifests/tags/v1"))
		if !slices.Contains(severities, f.Severity) || f.Means == "" || f.Do == "" || f.Namespace.String() != "team/app" || f.Tag != "v1" {
			t.Errorf("%s: got %+v", code, f)
		}
		if f.Severity != kind.severity {
			t.Errorf("%s: got %s, want %s", code, f.Severity, kind.severity)
		}
	}
}

// TestWhatMayBeUnderWayIsTransient: what is damaged is not, nor is a foreign file.
func TestWhatMayBeUnderWayIsTransient(t *testing.T) {
	t.Parallel()
	o := registry.ParseKey("notes.txt")
	for code, want := range map[Code]bool{
		CodeCorruptBlob: false, CodeDamagedRecord: false, CodeStrangeKey: false, CodeMovedAside: false,
		CodeDanglingTag: true, CodeNoLink: true, CodeNoReferrer: true,
	} {
		f := newFinding(code, o)
		if got := f.transient(); got != want {
			t.Errorf("%s: got %t, want %t", code, got, want)
		}
		f.noteRepair(nil, "mended")
		if f.transient() || f.Repaired != "mended" {
			t.Errorf("%s: got %+v, want it repaired", code, f)
		}
	}
}

func TestAReportIsBoundedAndBeginsWithTheWorst(t *testing.T) {
	t.Parallel()
	report := newReport()
	for i := range keptFindings + 5 {
		code := []Code{CodeStrangeKey, CodeCorruptBlob, CodeMovedAside, CodeNoLink}[i%4]
		f := newFinding(code, registry.ParseKey(fmt.Sprintf("notes-%06d.txt", keptFindings-i%keptFindings)))
		if i%8 == 1 {
			f.Repaired = "moved aside"
		}
		report.add(f)
	}
	if len(report.Findings) != keptFindings || report.Omitted != 5 {
		t.Errorf("got %d findings and %d omitted, want %d and 5", len(report.Findings), report.Omitted, keptFindings)
	}
	if got := report.Counts[Critical] + report.Counts[Error] + report.Counts[Warning] + report.Counts[Note]; got != keptFindings+5 {
		t.Errorf("got %d counted, want all of them", got)
	}
	if want := report.Counts[Critical] + report.Counts[Error] + report.Counts[Warning] - report.Repaired; report.Remaining() != want || report.Repaired == 0 {
		t.Errorf("got %d that remain, want %d: neither notes nor what was repaired", report.Remaining(), want)
	}
	report.sort()
	sorted := slices.IsSortedFunc(report.Findings, func(a, b Finding) int {
		if by := slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity); by != 0 {
			return by
		}
		return slices.Compare([]byte(a.Key), []byte(b.Key))
	})
	if !sorted || report.Findings[0].Severity != Critical {
		t.Error("the findings are not sorted by severity, then by key")
	}
}

// TestThePositionOfABlobIsItsShare: the walk is in the order of digests, which are spread evenly.
func TestThePositionOfABlobIsItsShare(t *testing.T) {
	t.Parallel()
	for hex, want := range map[string]float64{"00000000": 0, "80000000": 0.5, "c0000000": 0.75} {
		d, err := oci.ParseDigest("sha256:" + hex + strings.Repeat("0", 56))
		if err != nil {
			t.Fatal(err)
		}
		if got := position(d); got != want {
			t.Errorf("%s: got %v, want %v", hex, got, want)
		}
	}
	other, err := oci.ParseDigest("sha512:" + strings.Repeat("f", 128))
	if got := position(other); err != nil || got != 0 {
		t.Errorf("got %v, %v of another algorithm, want 0", got, err)
	}
}
