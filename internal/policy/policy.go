package policy

import (
	"errors"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

// Global is the scope of the policy that holds for every request.
const Global = "global"

// Policy is the compiled rules of one policy section. A Compiler makes it. It is never changed, and used by any
// number of goroutines at once.
type Policy struct {
	ruleSet
	config Config
}

// ruleSet is the compiled rules of one section.
type ruleSet struct {
	Scope string // global, or the repository's name

	rules       []rule
	environment *environment
}

// rule is one compiled rule.
type rule struct {
	name string
	*expression
}

// Question is what a policy decides about: who asks for what.
type Question struct {
	Identity access.Identity
	Request  access.Request
	// Tags looks up what request.tags is, once it is read; nil = the tags of Request.
	Tags func() ([]oci.Tag, error)
	// RepositoryPolicy is whether a repository's policy covers the request. A Chain fills it.
	RepositoryPolicy bool
}

// Document is all that a rule about access may look at, by its words, for JSON.
func Document(identity access.Identity, request access.Request) map[string]map[string]any {
	return map[string]map[string]any{
		"identity": newObject(identityWords, &identity).document(),
		"request":  newObject(requestWords, &Question{Request: request}).document(),
	}
}

// Decision is the answer of a policy to a question.
type Decision struct {
	Allowed bool
	Rule    string      // that decided; empty if none did and the default holds
	Failed  []RuleError // rules that failed before that one; the caller logs them
}

// RuleError is a rule that failed while it was evaluated.
type RuleError struct {
	Rule string
	Err  error
}

// decide asks the rules in their order until one decides.
func (p *Policy) decide(words *activation) Decision {
	allowedByDefault := p.config.Default == "allow"
	var failed []RuleError
	for i := range p.rules {
		r := &p.rules[i]
		holds, err := evaluate(r.program, words)
		switch {
		case err != nil:
			failed = append(failed, RuleError{Rule: r.name, Err: err})
			if !p.config.skipsFailed() || tooCostly(err) {
				return Decision{Rule: r.name, Failed: failed}
			}
		case holds:
			return Decision{Allowed: !allowedByDefault, Rule: r.name, Failed: failed}
		}
	}
	return Decision{Allowed: allowedByDefault, Failed: failed}
}

// RuleNames are the names of all rules in their order.
func (s *ruleSet) RuleNames() []string {
	names := make([]string, len(s.rules))
	for i, r := range s.rules {
		names[i] = r.name
	}
	return names
}

// Unmatched are the parts of a rule that compare with what can never be: a pattern for tags that has a brace, a name of a
// repository in upper case.
func (s *ruleSet) Unmatched(rule int) []string { return s.rules[rule].unmatched }

// activation is a question as CEL reads it: made once, and read by every rule.
type activation struct {
	identity, request *object
	repositoryPolicy  types.Bool
}

func newActivation(q *Question) *activation {
	return &activation{
		identity:         newObject(identityWords, &q.Identity),
		request:          newObject(requestWords, q),
		repositoryPolicy: types.Bool(q.RepositoryPolicy),
	}
}

func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "identity":
		return a.identity, true
	case "request":
		return a.request, true
	case repositoryPolicyVariable:
		return a.repositoryPolicy, true
	}
	return nil, false
}

func (a *activation) Parent() interpreter.Activation { return nil }

// readableError replaces a message of CEL about its own overloads.
func readableError(err error) error {
	if err.Error() == "no such overload" {
		return errWrongValue
	}
	return err
}

// tooCostly reports whether a rule was stopped by a limit: that of its cost, or that of a pattern. How much a rule costs
// may be up to the one who asks, so skipping it would let them choose which rules hold.
func tooCostly(err error) bool {
	var stopped interpreter.EvalCancelledError
	return errors.As(err, &stopped) && stopped.Cause == interpreter.CostLimitExceeded || errors.Is(err, errPatternSize)
}

var errWrongValue = errors.New("a function or operator got a value that it does not take, such as null")

var errNotBool = errors.New("the result is neither true nor false")

func evaluate(program cel.Program, words interpreter.Activation) (bool, error) {
	value, _, err := program.Eval(words)
	if err != nil {
		return false, readableError(err)
	}
	holds, ok := value.(types.Bool)
	if !ok {
		return false, errNotBool
	}
	return bool(holds), nil
}
