package policy

import (
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

// Suite is the cases of one test file.
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
	Webhook  Answer       // of the stand-in, where a webhook is asked
}

// Answer is what the stand-in for a webhook says.
type Answer string

// What a webhook may say. One that fails denies.
const (
	AnswerAllow Answer = "allow"
	AnswerDeny  Answer = "deny"
	AnswerError Answer = "error"
)

// KeepCase is a table of images, and those that retention must leave.
type KeepCase struct {
	Name       string
	Line       int
	Namespace  oci.Name     // whose images these are: the rules of its repository are asked beside the global ones
	Repository string       // the same, by the repository's name
	Rules      []RuleConfig // asked instead of the config's; nil: the config's
	Now        time.Time
	Images     []NamedImage
	Stays      []string // names of the images
}

// NamedImage is an image and what the case calls it: its tag, or a name of its own.
type NamedImage struct {
	Name string
	Image
}

// FileMistake is what is wrong with a test file, and where. Lines and columns begin at 1.
type FileMistake struct {
	Line, Column int
	Key          string // cases[3].request.action
	Message      string
}
