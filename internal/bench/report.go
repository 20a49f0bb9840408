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

//go:embed collectors.md.tmpl
var collectorsText string

// Report is a full run.
type Report struct {
	Rounds  int
	Others  float64 // from Watch
	Results []Result
}

// Write makes docs/performance.md: fixed text around the machine and the table. The part that
// WriteCollectors wrote stays.
func (r Report) Write(path string) error {
	kept, err := section(path)
	if err != nil {
		return err
	}
	text, err := r.text(reportText, sectionBegin+kept+sectionEnd)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// WriteCollectors replaces the part of docs/performance.md that is about collectors.
func (r Report) WriteCollectors(path string) error {
	text, err := r.text(collectorsText, "")
	if err != nil {
		return err
	}
	return replaceSection(path, string(text))
}

func (r Report) text(around, collectors string) ([]byte, error) {
	tmpl, err := template.New("report").Parse(around)
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
		Collectors    string
	}{m, r.Rounds, fmt.Sprintf("%.0f %%", 100*r.Others), table.String(), collectors})
	return text.Bytes(), err
}
