package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/timespan"
)

// printReport prints what a run did, or means to do.
func printReport(io IO, opts gcRun, report *gc.Report, cfg gc.Config) error {
	if opts.output == formatJSON {
		if !report.DryRun {
			report.Plan = nil
		}
		return io.printJSON(report)
	}
	if opts.explain == "" {
		for _, line := range reported(report) {
			word, text, _ := strings.Cut(line, ":")
			fmt.Fprintln(io.Err, io.errColours().paint(tones[word], word+":")+text)
		}
	}
	switch {
	case report.Plan != nil && len(report.Plan.Problems) > 0:
		return nil // who has not seen all knows neither what goes nor why
	case opts.explain != "":
		return printExplanation(io, opts.explain, report)
	case report.DryRun:
		return printPlan(io, report, cfg)
	case report.Outcome == gc.Refused:
		return nil
	}
	_, err := fmt.Fprintln(io.Out, summary(report))
	return err
}

// reported are the warnings and errors of a run, a line each.
func reported(r *gc.Report) []string {
	errs, count := r.Errors, r.ErrorCount
	if r.Outcome == gc.Refused && count == 1 {
		errs = nil // the refusal itself says it
	}
	var lines []string
	for _, list := range []struct {
		word  string
		texts []string
		count int
	}{{"warning", r.Warnings, r.WarningCount}, {"error", errs, count}} {
		for _, text := range list.texts {
			lines = append(lines, list.word+": "+printable(text))
		}
		if more := list.count - len(list.texts); more > 0 && len(list.texts) > 0 {
			lines = append(lines, fmt.Sprintf("%s: and %d more of these", list.word, more))
		}
	}
	return lines
}

// summary is what a run did, in one line.
func summary(r *gc.Report) string {
	did := "collected in"
	switch r.Outcome {
	case gc.Interrupted:
		did = "interrupted after" // who reads only this line must not think that all is done
	case gc.Failed:
		did = "collected in part, in"
	}
	finished := ""
	if r.Finished.Objects > 0 {
		finished = counted(int(r.Finished.Objects), "leftover") + " of interrupted deletes finished, "
	}
	return fmt.Sprintf("%s %s: %s removed by retention, %s ended, %s%s condemned (%s), %s revived, %s destroyed, %s freed",
		did, took(r.Seconds), counted(int(r.Removed.Objects), "tag"), counted(int(r.Uploads.Objects), "upload"), finished,
		counted(int(r.Awaiting.Objects), "object"), sized(r.Awaiting.Bytes), counted(int(r.Revived.Objects), "object"),
		counted(int(r.Freed.Objects), "object"), sized(r.Freed.Bytes))
}

// planRow is one line of a plan: what happens to how much of what, and why.
type planRow struct {
	action, namespace, noun, why string
	objects                      int
	bytes                        int64
	names                        []string
}

// namesShown is how many tags a line of a plan names, and rowsShown how many lines a person reads before
// those of all namespaces are told together.
const (
	namesShown = 5
	rowsShown  = 40
)

func printPlan(io IO, report *gc.Report, cfg gc.Config) error {
	var rows [][]string
	all := planRows(report.Plan)
	shown := all
	if io.OutIsTerminal {
		shown = forPeople(all)
	}
	for _, row := range shown {
		why := row.why
		if len(row.names) > 0 {
			why += ": " + strings.Join(row.names[:min(len(row.names), namesShown)], ", ")
		}
		if more := len(row.names) - namesShown; more > 0 {
			why += fmt.Sprintf(" and %d more", more)
		}
		rows = append(rows, []string{row.action, orDash(row.namespace), counted(row.objects, row.noun), sized(row.bytes), why})
	}
	if len(rows) > 0 {
		if err := io.printHeaded([]string{"ACTION", "NAMESPACE", "WHAT", "BYTES", "WHY"}, rows); err != nil {
			return err
		}
	}
	if len(shown) < len(all) {
		fmt.Fprintln(io.Err, "the plan is long: links are left out, and namespaces may be told together; -o json tells all")
	}
	p := report.Plan
	_, err := fmt.Fprintf(io.Out, "%s would be freed now, and %s when gc.trash (%s) is over; nothing was changed\n",
		sized(p.Freed()), sized(p.Freeable()), timespan.Text(cfg.Trash))
	if p.Waiting.Objects > 0 && err == nil {
		_, err = fmt.Fprintf(io.Out, "condemned already, and not destroyed yet: %s, %s\n",
			counted(int(p.Waiting.Objects), "object"), sized(p.Waiting.Bytes))
	}
	if p.Young.Objects > 0 && err == nil {
		_, err = fmt.Fprintf(io.Out, "not needed, and younger than gc.grace (%s): %s stay for now\n",
			timespan.Text(cfg.Grace), counted(int(p.Young.Objects), "object"))
	}
	if p.Trash > 0 && err == nil {
		_, err = fmt.Fprintf(io.Out, "removed less than gc.trash (%s) ago, and can be restored: %s\n",
			timespan.Text(cfg.Trash), counted(int(p.Trash), "thing"))
	}
	return err
}

// planRows groups a plan by what happens, where and why.
func planRows(p *gc.Plan) []planRow {
	var rows []planRow
	index := map[[4]string]int{}
	row := func(action, namespace, noun, why string) *planRow {
		key := [4]string{action, namespace, noun, why}
		i, known := index[key]
		if !known {
			i = len(rows)
			index[key] = i
			rows = append(rows, planRow{action: action, namespace: namespace, noun: noun, why: why})
		}
		return &rows[i]
	}
	for _, tag := range p.Tags {
		r := row("remove", tag.Namespace.String(), "tag", tag.Why)
		r.objects++
		r.names = append(r.names, tag.Tag)
	}
	for _, upload := range p.Uploads {
		r := row("end", upload.Namespace, "upload", "older than registry.upload_ttl")
		r.objects++
		r.bytes += upload.Bytes
	}
	for _, list := range []struct {
		action string
		things []gc.Planned
	}{{"revive", p.Revive}, {"destroy", p.Destroy}, {"condemn", p.Condemn}} {
		for _, thing := range list.things {
			r := row(list.action, thing.Namespace.String(), string(thing.Kind), thing.Why)
			r.objects++
			r.bytes += thing.Bytes
		}
	}
	for _, left := range p.Finish {
		if left.BringBack {
			row("restore", left.Namespace.String(), "manifest", "a delete was interrupted, and an immutable tag stands for it").objects++
			continue
		}
		row("finish", left.Namespace.String(), "leftover", "of a delete that was interrupted").objects++
	}
	if p.Restore.Objects > 0 {
		r := row("forget", "", "removal", "older than gc.trash: it can be restored no longer")
		r.objects = int(p.Restore.Objects) // its bytes are among those that are destroyed
	}
	slices.SortStableFunc(rows, func(a, b planRow) int { return strings.Compare(a.namespace, b.namespace) })
	return rows
}

// forPeople leaves out the links of a plan that is long, and tells its namespaces together if it still is.
func forPeople(rows []planRow) []planRow {
	if len(rows) <= rowsShown {
		return rows
	}
	var short []planRow
	for _, row := range rows {
		if row.noun != string(registry.KindLink) {
			short = append(short, row)
		}
	}
	if len(short) <= rowsShown {
		return short
	}
	return together(short)
}

// together makes one row of those that differ by their namespace alone.
func together(rows []planRow) []planRow {
	var sums []planRow
	spaces := map[[3]string]int{}
	index := map[[3]string]int{}
	for _, row := range rows {
		key := [3]string{row.action, row.noun, row.why}
		spaces[key]++
		i, known := index[key]
		if !known {
			index[key] = len(sums)
			row.names = nil // five of so many tell nothing
			sums = append(sums, row)
			continue
		}
		sums[i].objects += row.objects
		sums[i].bytes += row.bytes
	}
	for i, sum := range sums {
		if n := spaces[[3]string{sum.action, sum.noun, sum.why}]; n > 1 {
			sums[i].namespace = counted(n, "namespace")
		}
	}
	return sums
}

func printExplanation(io IO, what string, report *gc.Report) error {
	if len(report.Explanation) == 0 {
		return hintedError{fmt.Errorf("%s: there is nothing of that name", what), "sreg gc trash lists what was removed and can be restored"}
	}
	for _, explained := range report.Explanation {
		verdict := "goes"
		switch {
		case explained.Stays:
			verdict = "stays"
		case explained.Gone:
			verdict = "is gone"
		}
		if _, err := fmt.Fprintf(io.Out, "%s %s\n", explained.What, verdict); err != nil {
			return err
		}
		for _, why := range explained.Why {
			if _, err := fmt.Fprintf(io.Out, "  %s\n", why); err != nil {
				return err
			}
		}
	}
	return nil
}
