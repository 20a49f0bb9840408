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

//go:embed s3.md.tmpl
var s3Text string

// Report is a full run.
type Report struct {
	Rounds  int
	Others  float64 // from Watch
	Results []Result
}

// Write makes docs/performance.md: fixed text around the machine and the table. The parts that
// WriteCollectors and WriteS3 wrote stay.
func (r Report) Write(path string) error {
	var kept [2]string
	for i, p := range []part{collectorsPart(), s3Part()} {
		var err error
		if kept[i], err = p.kept(path); err != nil {
			return err
		}
	}
	text, err := r.text(reportText, kept[0], kept[1])
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// WriteCollectors replaces the part of docs/performance.md that is about collectors.
func (r Report) WriteCollectors(path string) error {
	return r.writePart(path, collectorsPart(), collectorsText)
}

// WriteS3 replaces the part of docs/performance.md that is about S3.
func (r Report) WriteS3(path string) error { return r.writePart(path, s3Part(), s3Text) }

func (r Report) writePart(path string, p part, around string) error {
	text, err := r.text(around, "", "")
	if err != nil {
		return err
	}
	return p.replace(path, string(text))
}

func (r Report) text(around, collectors, s3 string) ([]byte, error) {
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
		S3            string
	}{m, r.Rounds, fmt.Sprintf("%.0f %%", 100*r.Others), table.String(), collectors, s3})
	return text.Bytes(), err
}
