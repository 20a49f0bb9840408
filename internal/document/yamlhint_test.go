package document

import (
	"errors"
	"fmt"
	"testing"
)

func TestWhatToWriteWhereYAMLIsNotValid(t *testing.T) {
	t.Parallel()
	const inRules = "policy:\n  rules:\n    - "
	for content, want := range map[string]string{
		inRules + `expr: "identity.username == "bob""`:  `3: did not find expected key; the text ends at its second quote: write expr: '...'`,
		inRules + `expr: ''dev' in identity.groups'`:    `3: did not find expected key; the text ends at its second quote: write expr: "..."`,
		inRules + `'dev' in identity.groups`:            `3: did not find expected '-' indicator; the text ends at its second quote: write "..."`,
		inRules + `'identity.username == 'bob''`:        `3: did not find expected '-' indicator; the text ends at its second quote: write "..."`,
		inRules + `'dev' in identity.groups || x == ""`: `3: did not find expected '-' indicator; the text ends at its second quote: write | and the text in the next line, further in`,

		"repositories:\n  - name: a: b":   `2: mapping values are not allowed in this context; a text with a colon stands in quotes: write name: "...", or each key in a line of its own`,
		"repositories:\n  - {name: a: b}": `2: did not find expected ',' or '}'; a text with a colon, a comma, a bracket or a quote stands in quotes`,
		"server: external_url: x":         `1: mapping values are not allowed in this context; a text with a colon stands in quotes: write server: "...", or each key in a line of its own`,
		"gc: {grace: 1h\nlog: {}":         `1: did not find expected ',' or '}'; its { needs a } behind the last value`,
		"gc:\n  schedule: * * * * *":      `2: did not find expected alphabetic or numeric character; a text that begins with * stands in quotes: write schedule: "..."`,
		"gc:\n  schedule: @daily":         `2: found character that cannot start any token; a text that begins with @ stands in quotes: write schedule: "..."`,
		"server:\n\thttp2: true":          `2: a tab stands where spaces are wanted; write spaces`,

		"server\n  http2: true":                         `2: mapping values are not allowed in this context; write a colon behind the key in line 1`,
		"gc:\n  grace 1h\n  trash: 1h":                  `3: mapping values are not allowed in this context; write a colon behind the key in line 2`,
		"gc:\n  grace: 1h\n  trash 1h\n":                `3: could not find expected ':'; write a colon and a space behind the key`,
		"server:\n  http2: true\n   listeners: []":      `3: mapping values are not allowed in this context; check the indentation: this line begins in column 4, http2: in line 2 in column 3`,
		"server:\n  http2: true\n listeners: []":        `3: did not find expected key; check the indentation: this line begins in column 2, http2: in line 2 in column 3`,
		"a:\n  b:\n    - c: 1\n     d: 2":               `4: did not find expected '-' indicator; check the indentation: this line begins in column 6, c: in line 3 in column 7`,
		"a:\n  b:\n    - c: 1\n    d: 2":                `4: did not find expected '-' indicator; check the indentation: this line begins in column 5, c: in line 3 in column 7`,
		"a:\n  b:\n  - c: 1\n      d: 2":                `4: mapping values are not allowed in this context; check the indentation: this line begins in column 7, c: in line 3 in column 5`,
		"a:\n  b:\n    - c: 1\n   - c: 2":               `4: did not find expected key; check the indentation: this line begins in column 4, the - in line 3 in column 5`,
		"a:\n  b: |\n    true\n c: 1 # a: b":            `4: did not find expected key; check the indentation: this line begins in column 2, b: in line 2 in column 3`,
		"a:\n  password: \"se\"cret\"":                  `2: did not find expected key; the text ends at its second quote: write password: '...'`,
		"a:\n  b: 'x: y'\n c: \"x: y\"":                 `3: did not find expected key; check the indentation: this line begins in column 2, b: in line 2 in column 3`,
		"a:\n  b: \"begins\n  c: true":                  `2: a text in quotes begins here and does not end`,
		"a:\n  b: 1\n  # password: x\n\n c: 1 # 'quote": `5: did not find expected key; check the indentation: this line begins in column 2, b: in line 2 in column 3`,
	} {
		t.Run(content, func(t *testing.T) {
			t.Parallel()
			_, err := ParseYAML([]byte(content), some)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %v, want a *SyntaxError", err)
			}
			line, problem := want[:3], want[3:]
			if got := fmt.Sprintf("%d: %s", syntax.At.Line, syntax.Problem); got != line+"not valid YAML: "+problem {
				t.Errorf("got  %s\nwant %snot valid YAML: %s", got, line, problem)
			}
		})
	}
}

func TestWhatToWriteForAValueThatYAMLTookForSomethingElse(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"!request.x":                   ": put it in quotes",
		"!('dev' in identity.groups)":  ": put it in quotes",
		"http2:true":                   ": write a space behind the colon",
		"https://registry.example.com": "",
		"true":                         "",
	} {
		n, err := ParseYAML([]byte("a:\n  - "+content), some)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Pairs[0].Value.Items[0].Hint(); got != want {
			t.Errorf("%s: got %q, want %q", content, got, want)
		}
	}
}
