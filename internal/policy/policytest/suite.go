// Package policytest runs files of cases against policies and keep rules, without a server.
// It promises that a case asks what a server would ask, in the same order, and that every mistake in a file
// is reported with its line and column.
// It must not know the configuration, the command line or how results are printed.
package policytest

import (
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
)

// Suite is the cases of one file.
type Suite struct {
	Cases []Case
	Keep  []KeepCase
}

// Case is one question and the answer that is expected.
type Case struct {
	Name     string
	Line     int // in the file
	Identity access.Identity
	Request  access.Request
	Allow    bool         // what is expected
	Stage    access.Stage // that must decide; empty: any
	Rule     string       // or webhook that must decide; empty: any
	Webhook  Answer       // of the webhook, if one is asked
}

// Answer is what a webhook is taken to answer: none is called.
type Answer string

// The answers of a webhook. One that fails denies.
const (
	AnswerAllow Answer = "allow"
	AnswerDeny  Answer = "deny"
	AnswerError Answer = "error"
)

// KeepCase is a table of images, and which of them must stay.
type KeepCase struct {
	Name       string
	Line       int
	Namespace  oci.Name            // whose images these are: the rules of its repository are asked beside the global ones
	Repository string              // the same, by the repository's name
	Rules      []policy.RuleConfig // asked instead of the config's; nil: the config's
	Now        time.Time
	Images     []NamedImage
	Stays      []string // names of the images
}

// NamedImage is an image and what the case calls it: its tag, or a name of its own.
type NamedImage struct {
	Name string
	policy.Image
}
