package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

var tableHead = []string{"work", "must reach", "measured", "rounds from", "verdict", "beside it"}

func (r Result) cells() []string {
	return []string{r.Work, r.Must, r.Measured(), r.Range(), string(r.Verdict), r.Beside()}
}

// WriteTable prints the results for people.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := [][]string{tableHead}
	for _, r := range results {
		rows = append(rows, r.cells())
	}
	for _, cells := range rows {
		if _, err := fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// WriteJSON prints the results for machines.
func WriteJSON(w io.Writer, results []Result) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(results)
}

// writeMarkdown prints the results for docs/performance.md.
func writeMarkdown(w io.Writer, results []Result) error {
	rows := [][]string{tableHead, {"---", "---", "---", "---", "---", "---"}}
	for _, r := range results {
		rows = append(rows, r.cells())
	}
	for _, cells := range rows {
		line := strings.ReplaceAll(strings.Join(cells, "\t"), "|", `\|`)
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.ReplaceAll(line, "\t", " | ")); err != nil {
			return err
		}
	}
	return nil
}
