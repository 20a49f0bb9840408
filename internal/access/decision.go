package access

import "fmt"

// MaxTags is how many tags of a manifest rules and webhooks are told of where it is deleted.
const MaxTags = 1000

// ErrTooManyTags is a delete of a manifest that has more tags than that.
var ErrTooManyTags = fmt.Errorf("the manifest has more than %d tags, which is more than the rules here look at: delete its tags first", MaxTags)

// Stage is the part of authorization that made a decision.
type Stage string

// The stages, in the order in which they are asked.
const (
	StageNone       Stage = "none"  // no stage was asked
	StageToken      Stage = "token" // the scope of the token
	StageGlobal     Stage = "global"
	StageRepository Stage = "repository"
	StageWebhook    Stage = "webhook"
)

// Denial is how a client is told that it may not.
type Denial uint8

const (
	// NotDenied stands in a decision that allows.
	NotDenied Denial = iota
	// Unauthenticated is 401 with a challenge: nobody has signed in yet.
	Unauthenticated
	// Forbidden is 403: whoever signed in may not.
	Forbidden
	// OutOfScope is 401 with a challenge: the token is for something else.
	OutOfScope
	// Hidden looks as if the thing did not exist.
	Hidden
)

// Decision is what authorization says to a question, and which part of it said so. The zero value
// allows nothing.
type Decision struct {
	Allowed bool
	// Denial is how the client is told, if it is not allowed.
	Denial Denial
	// Stage made the decision: the one that denied, or the last of those that all allowed.
	Stage Stage
	// Rule is the rule or the webhook that decided, empty if the default of a policy did.
	Rule string
	// Reason says why, for operators: never for clients.
	Reason string
	// Err says that nothing could be decided, which never allows. The client is told of it as of any other error.
	Err error
	// Asked is the request that was decided. It is the one of the question, or one that follows from
	// it: a mount asks for a pull of its source, too.
	Asked Request
}
