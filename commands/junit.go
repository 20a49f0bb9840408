package commands

import (
	"encoding/xml"
	"strings"
)

// junitSuites is the report that CI servers read: a suite for each file.
type junitSuites struct {
	XMLName xml.Name      `xml:"testsuites"`
	Suites  []*junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (r *policyReport) junit() []byte {
	var suites junitSuites
	var suite *junitSuite
	for _, c := range r.Cases {
		if suite == nil || suite.Name != c.File {
			suite = &junitSuite{Name: c.File}
			suites.Suites = append(suites.Suites, suite)
		}
		suite.Tests++
		written := junitCase{Name: c.Name, Class: c.File, File: c.File, Line: c.Line}
		if !c.Passed {
			suite.Failures++
			var text strings.Builder
			c.write(&text, palette{}, true)
			written.Failure = &junitFailure{Message: c.Problem, Text: text.String()}
		}
		suite.Cases = append(suite.Cases, written)
	}
	encoded, err := xml.MarshalIndent(suites, "", "  ")
	if err != nil {
		panic(err) // these structs encode
	}
	return append([]byte(xml.Header), append(encoded, '\n')...)
}
