package commands

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// plannedIn is a plan that takes a tag, a manifest and a link from each of n namespaces.
func plannedIn(t *testing.T, n int) *gc.Report {
	t.Helper()
	plan := &gc.Plan{}
	for i := range n {
		ns, err := oci.ParseName(fmt.Sprintf("team/app%d", i))
		if err != nil {
			t.Fatal(err)
		}
		plan.Tags = append(plan.Tags, gc.PlannedTag{Namespace: ns, Tag: "dev", Why: "no rule keeps it"})
		plan.Condemn = append(plan.Condemn,
			gc.Planned{Object: registry.Object{Kind: registry.KindManifest, Namespace: ns}, Bytes: 512, Why: "nothing names it"},
			gc.Planned{Object: registry.Object{Kind: registry.KindLink, Namespace: ns}, Why: "nothing names it"})
	}
	return &gc.Report{DryRun: true, Plan: plan}
}

func TestAPlanAtATerminalIsShort(t *testing.T) {
	t.Parallel()
	const note = "the plan is long: links are left out, and namespaces may be told together; -o json tells all\n"
	for _, c := range []struct {
		name       string
		namespaces int
		note, want string
	}{
		{"a short one tells all", 1, "", "" +
			"ACTION   NAMESPACE  WHAT        BYTES  WHY\n" +
			"remove   team/app0  1 tag       0 B    no rule keeps it: dev\n" +
			"condemn  team/app0  1 manifest  512 B  nothing names it\n" +
			"condemn  team/app0  1 link      0 B    nothing names it\n" +
			"0 B would be freed now, and 512 B when gc.trash (24h) is over; nothing was changed\n"},
		{"many namespaces are told together", 30, note, "" +
			"ACTION   NAMESPACE      WHAT          BYTES     WHY\n" +
			"remove   30 namespaces  30 tags       0 B       no rule keeps it\n" +
			"condemn  30 namespaces  30 manifests  15.0 KiB  nothing names it\n" +
			"0 B would be freed now, and 15.0 KiB when gc.trash (24h) is over; nothing was changed\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			io := IO{Out: &out, Err: &errs, OutIsTerminal: true}
			if err := printPlan(io, plannedIn(t, c.namespaces), gc.Config{Trash: 24 * time.Hour}); err != nil {
				t.Error(err)
			}
			wantText(t, out.String(), c.want)
			wantText(t, errs.String(), c.note)
		})
	}
}

func TestTheLineOfARunSaysWhetherItIsDone(t *testing.T) {
	t.Parallel()
	const rest = "0 tags removed by retention, 0 uploads ended, 0 objects condemned (0 B), 0 objects revived, 0 objects destroyed, 0 B freed"
	for outcome, want := range map[gc.Outcome]string{
		gc.Done:        "collected in 2s: " + rest,
		gc.Failed:      "collected in part, in 2s: " + rest,
		gc.Interrupted: "interrupted after 2s: " + rest,
	} {
		wantText(t, summary(&gc.Report{Outcome: outcome, Seconds: 2}), want)
	}
}
