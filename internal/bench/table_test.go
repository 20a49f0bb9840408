package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
)

var someResults = []Result{
	{
		ID: "get", Work: "manifest GET", Must: "at most 1.3 x floor", Unit: "x floor",
		Median: 1.2, Min: 1.1, Max: 1.4, Rounds: 3, Detail: "CPU 1.1 x", Verdict: Reached,
	},
	{ID: "idle", Work: "idle memory", Must: "at most 32 MB", Unit: "MB", Verdict: Failed, Error: "no answer"},
}

func TestTablesReadWell(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		write func(io.Writer, []Result) error
		want  string
	}{
		"in columns for people": {WriteTable, `
work          must reach           measured      rounds from   verdict  beside it
manifest GET  at most 1.3 x floor  1.20 x floor  1.10 to 1.40  reached  CPU 1.1 x
idle memory   at most 32 MB        -             -             failed   no answer
`},
		"in markdown for the report": {writeMarkdown, `
| work | must reach | measured | rounds from | verdict | beside it |
| --- | --- | --- | --- | --- | --- |
| manifest GET | at most 1.3 x floor | 1.20 x floor | 1.10 to 1.40 | reached | CPU 1.1 x |
| idle memory | at most 32 MB | - | - | failed | no answer |
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := tc.write(&got, someResults); err != nil {
				t.Fatal(err)
			}
			if want := tc.want[1:]; got.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

func TestJSONHoldsEverything(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := WriteJSON(&text, someResults); err != nil {
		t.Fatal(err)
	}
	var got []Result
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, someResults) {
		t.Errorf("got %+v, want %+v", got, someResults)
	}
}

func TestTheReportHoldsTheMachineAndTheTable(t *testing.T) {
	t.Parallel()
	text, err := Report{Rounds: 3, Others: 0.25, Results: someResults}.text(reportText, "the part\n", "the other part\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Performance\n", "Measured with ", "for 3 rounds", "took 25 % of the cores", "| manifest GET | at most 1.3 x floor |", "make bench", "\nthe part\n", "\nthe other part\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
}
