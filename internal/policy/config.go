package policy

import (
	"fmt"
	"regexp"
)

// Config is one policy section of sreg's configuration. The struct tags are the single source of the
// keys' names, values and documentation.
type Config struct {
	Default string       `mapstructure:"default" enum:"deny,allow" doc:"What holds where no rule is true. deny: a rule that is true allows. allow: a rule that is true denies."`
	OnError string       `mapstructure:"on_error" enum:"skip,deny" doc:"What a rule does that fails while it is evaluated: skip goes on as if it were false, deny denies. Left out = deny where default is allow, else skip. A rule that costs too much to evaluate denies always."`
	Rules   []RuleConfig `mapstructure:"rules" doc:"Asked in their order until one decides: an expression, or a name and an expression."`
	Webhook string       `mapstructure:"webhook" doc:"The webhook that is asked when the rules have allowed. A repository's stands in for the global one: none = nobody is asked, empty = the global one."`
}

// GlobalConfig is the policy section that holds for every request.
type GlobalConfig struct {
	Config     `mapstructure:",squash"`
	HideDenied bool `mapstructure:"hide_denied" doc:"Whether a denial looks as if there were nothing: 404 rather than 403."`
}

// RuleConfig is one rule.
type RuleConfig struct {
	Name string `mapstructure:"name" doc:"What logs, metrics and tests call the rule. Empty = its number: global/1, or hub/2 for the second rule of the repository hub."`
	Expr string `mapstructure:"expr" short:"true" required:"true" doc:"The expression, in CEL: true or false. A rule that is a text is its expression."`
}

// maxRules bounds a policy: every request may have to ask all of its rules.
const maxRules = 10_000

// defaultName matches the names of rules that have none of their own.
var defaultName = regexp.MustCompile(`/[0-9]+$`)

// DefaultConfig denies what no rule allows.
func DefaultConfig() Config {
	return Config{Default: "deny"}
}

// Validate reports what is wrong: the path below the section, and the problem. Mistakes in
// expressions are found by Compile.
func (c Config) Validate(report func(path, problem string)) {
	ValidateRules(c.Rules, report)
}

// ValidateRules is for every section that has a key called rules.
func ValidateRules(rules []RuleConfig, report func(path, problem string)) {
	firstOf := map[string]int{}
	for i, r := range rules {
		if r.Name == "" {
			continue
		}
		if first, twice := firstOf[r.Name]; twice {
			report(fmt.Sprintf("rules[%d].name", i), fmt.Sprintf("%q is taken by rules[%d]", r.Name, first))
			continue
		}
		firstOf[r.Name] = i
		if defaultName.MatchString(r.Name) {
			report(fmt.Sprintf("rules[%d].name", i), fmt.Sprintf("%q is what a rule without a name is called", r.Name))
		}
	}
	if len(rules) > maxRules {
		report("rules", fmt.Sprintf("want at most %d rules, got %d: test with in [...] or glob rather than once for each name", maxRules, len(rules)))
	}
}

// FailsOpen reports whether a rule that fails lets a request through: it denies when it is true, and is
// skipped when it fails.
func (c Config) FailsOpen() bool {
	return c.Default == "allow" && c.skipsFailed() && len(c.Rules) > 0
}

// skipsFailed reports whether a rule that fails is as one that is false.
func (c Config) skipsFailed() bool {
	return c.OnError == "skip" || c.OnError == "" && c.Default != "allow"
}

// DeniesAll reports whether nothing can be allowed, so that a webhook is never asked.
func (c Config) DeniesAll() bool {
	return c.Default == "deny" && len(c.Rules) == 0
}

// nameOf is what a rule of a policy is called.
func (r RuleConfig) nameOf(scope string, index int) string {
	if r.Name != "" {
		return r.Name
	}
	return fmt.Sprintf("%s/%d", scope, index+1)
}
