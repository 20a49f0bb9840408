package bench

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"text/template"
)

//go:embed report.md.tmpl
var reportText string

// WriteReport makes docs/performance.md: fixed text around the machine and the table.
func WriteReport(path string, opts Options, results []Result) error {
	text, err := report(opts, results)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

func report(opts Options, results []Result) ([]byte, error) {
	tmpl, err := template.New("report").Parse(reportText)
	if err != nil {
		return nil, fmt.Errorf("parse the report's text: %w", err)
	}
	var table, text bytes.Buffer
	if err := writeMarkdown(&table, results); err != nil {
		return nil, err
	}
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	err = tmpl.Execute(&text, struct {
		Machine machine
		Rounds  int
		Table   string
	}{m, opts.Rounds, table.String()})
	return text.Bytes(), err
}
