package policy

import "github.com/google/cel-go/interpreter"

// Keep is the compiled rules of one retention section: what is kept. A Compiler makes it. It is never changed,
// and used by any number of goroutines at once.
type Keep struct{ ruleSet }

// Constant is the result of the rule with that index if the rule looks at nothing, such as true or 1 > 2: it
// is the same for every image. A rule that fails is not constant.
func (k *Keep) Constant(rule int) (holds, constant bool) {
	if k.rules[rule].mentionsWords {
		return false, false
	}
	holds, err := evaluate(k.rules[rule].program, interpreter.EmptyActivation())
	return holds && err == nil, err == nil
}
