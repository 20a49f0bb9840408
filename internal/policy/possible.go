package policy

import (
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// Certainty is how far an answer is known.
type Certainty string

// The answers to a question of which not all is known.
const (
	Yes     Certainty = "yes"
	No      Certainty = "no"
	Depends Certainty = "depends"
)

// Possible is what one policy says to a question of which not all is known.
type Possible struct {
	Answer Certainty
	Scope  string // of the policy; empty if none covers the request
	// Rules decide, or may decide if Answer is Depends. Without one the default holds.
	Rules []string
	// On are the words whose values would be needed to know.
	On []string
}

// Possible asks the policies in their order until one is known to deny. The unknown words have values that nobody knows; the
// others have those of the question. Webhooks are not asked.
func (c *Chain) Possible(q Question, unknownWords []string) []Possible {
	repository := c.Repository(q.Request.Namespace)
	q.RepositoryPolicy = repository != nil
	words := newActivation(&q)
	words.identity.unknown = &unknown{words: unknownWords}
	words.request.unknown = words.identity.unknown
	var answers []Possible
	for _, p := range []*Policy{c.Global, repository} {
		if p == nil {
			continue
		}
		answers = append(answers, p.possible(words))
		if answers[len(answers)-1].Answer == No {
			break
		}
	}
	if len(answers) == 0 {
		answers = []Possible{{Answer: No}}
	}
	return answers
}

// CertificateWords are the words of a client certificate.
func CertificateWords() []string {
	words := make([]string, len(certificateWords.fields))
	for i, f := range certificateWords.fields {
		words[i] = certificateWords.word + "." + f.name
	}
	return words
}

// possible is decide where a rule may be neither true nor false.
func (p *Policy) possible(words *activation) Possible {
	allowed := p.config.Default == "allow"
	certain := func(allowed bool) Certainty {
		if allowed {
			return Yes
		}
		return No
	}
	maybe := Possible{Answer: Depends, Scope: p.Scope}
	for i := range p.rules {
		r := &p.rules[i]
		outcome, on := evaluateUnknown(r.program, words)
		denies := outcome == ruleStopped || outcome == ruleFailed && !p.config.skipsFailed()
		switch {
		case outcome == ruleUnknown:
			maybe.Rules, maybe.On = append(maybe.Rules, r.name), append(maybe.On, on...)
			continue
		case outcome != ruleTrue && !denies:
			continue
		}
		// Where each rule that decides denies, and where those before it can only allow, too, it does not matter what they are.
		same := allowed || outcome == ruleTrue && p.config.skipsFailed()
		if maybe.Rules == nil || same {
			return Possible{Answer: certain(outcome == ruleTrue && !allowed), Scope: p.Scope, Rules: []string{r.name}}
		}
		maybe.Rules = append(maybe.Rules, r.name)
		return maybe.sorted()
	}
	if maybe.Rules == nil {
		return Possible{Answer: certain(allowed), Scope: p.Scope}
	}
	return maybe.sorted()
}

func (p Possible) sorted() Possible {
	slices.Sort(p.On)
	p.On = slices.Compact(p.On)
	return p
}

// ruleOutcome is what a rule came to.
type ruleOutcome int

const (
	ruleFalse ruleOutcome = iota
	ruleTrue
	ruleFailed
	ruleStopped // because it cost too much
	ruleUnknown
)

// evaluateUnknown is evaluate with words that have no value; on is which of them it would need.
func evaluateUnknown(program cel.Program, words *activation) (outcome ruleOutcome, on []string) {
	words.identity.unknown.asked = nil
	value, _, err := program.Eval(words)
	if asked := words.identity.unknown.asked; len(asked) > 0 && !types.IsUnknown(value) {
		return ruleUnknown, asked
	}
	if err != nil && tooCostly(err) {
		return ruleStopped, nil
	}
	if err != nil {
		return ruleFailed, nil
	}
	switch v := value.(type) {
	case types.Bool:
		if v {
			return ruleTrue, nil
		}
		return ruleFalse, nil
	case *types.Unknown:
		for _, id := range v.IDs() {
			trails, _ := v.GetAttributeTrails(id)
			for _, trail := range trails {
				on = append(on, trail.Variable())
			}
		}
		return ruleUnknown, on
	}
	return ruleFailed, nil
}
