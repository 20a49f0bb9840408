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

// Report is a full run.
type Report struct {
	Rounds  int
	Others  float64 // from Watch
	Results []Result
}

// Write makes docs/performance.md: fixed text around the machine and the table.
func (r Report) Write(path string) error {
	text, err := r.text()
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

func (r Report) text() ([]byte, error) {
	tmpl, err := template.New("report").Parse(reportText)
	if err != nil {
		return nil, fmt.Errorf("parse the report's text: %w", err)
	}
	var table, text bytes.Buffer
	if err := writeMarkdown(&table, r.Results); err != nil {
		return nil, err
	}
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	err = tmpl.Execute(&text, struct {
		Machine       machine
		Rounds        int
		OthersPercent string
		Table         string
	}{m, r.Rounds, fmt.Sprintf("%.0f %%", 100*r.Others), table.String()})
	return text.Bytes(), err
}
