package policy

import (
	"regexp"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/parser"
)

// habits are what other languages write where CEL writes something else, in lower case, and what to write instead.
var habits = map[string]string{
	"=": "write ==", "===": "write ==", "is": "write ==", "is not": "write !=", "<>": "write !=", "!==": "write !=",
	"and": "write &&", "&": "write &&", "or": "write ||", "|": "write ||",
	"not": "write !", "not in": "write !( ... in ... )",
	"=~": "write text.matches(pattern)", "!~": "write !text.matches(pattern)", "matches": "write text.matches(pattern)",
	"like": "write text.glob(pattern)", "contains": "write text.contains(part)",
	"startswith": "write text.startsWith(beginning)", "endswith": "write text.endsWith(end)",
	"none": "write null", "nil": "write null", "undefined": "write null",
	"‘": "write ' around a text", "’": "write ' around a text", "“": "write ' around a text", "”": "write ' around a text",
	";":  "a rule is one expression: write && or || between its parts",
	"if": "a rule is the condition alone, true where it allows", "return": "a rule is the condition alone, true where it allows",
}

var (
	symbols     = regexp.MustCompile(`[=&|<>!~]+`)
	wordHere    = regexp.MustCompile(`^(?:(?i:is\s+not|not\s+in)\b|\w+|.)`)
	notBefore   = regexp.MustCompile(`(?i)\bnot\s*$`)
	listInRound = regexp.MustCompile(`\bin\s*\([^()]*$`)
	twoTypes    = regexp.MustCompile(`^\((.+), (.+)\)$`)
)

// fromHabit is what to write instead of what stands at a mistake, or before it, where that is the word of another
// language; else empty.
func (m Mistake) fromHabit(expr string) string {
	line := strings.Split(expr, "\n")[m.Line-1]
	runes := []rune(line)
	at := min(m.Column-1, len(runes))
	before, here := string(runes[:at]), string(runes[at:])
	for _, symbol := range symbols.FindAllStringIndex(line, -1) {
		if symbol[0] <= len(before) && len(before) < symbol[1] {
			return habits[line[symbol[0]:symbol[1]]]
		}
	}
	word := strings.ToLower(strings.Join(strings.Fields(wordHere.FindString(here)), " "))
	switch {
	case habits[word] != "":
		return habits[word]
	case notBefore.MatchString(before):
		return habits["not"]
	case word == "," && listInRound.MatchString(before):
		return "a list stands in [ ]"
	}
	return ""
}

// listHint is what to write instead of an operator that does not take a list, or wants one; empty if it is something else.
func (m celMistake) listHint() string {
	var hint string
	ast.PostOrderVisit(m.parsed.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.ID() != m.id || x.Kind() != ast.CallKind || len(x.AsCall().Args()) != 2 {
			return
		}
		var sides [2]string
		for i, side := range x.AsCall().Args() {
			text, err := parser.Unparse(side, m.parsed.SourceInfo())
			if err != nil {
				return
			}
			sides[i] = strings.ReplaceAll(text, `"`, "'")
		}
		hint = writtenWithList(x.AsCall().FunctionName(), m.groups[2], sides)
	}))
	return hint
}

func writtenWithList(operator, types string, sides [2]string) string {
	const list, text = "list(string)", "string"
	found := twoTypes.FindStringSubmatch(strings.ReplaceAll(types, "wrapper(string)", text))
	if found == nil {
		return ""
	}
	left, right := found[1], found[2]
	if operator != operators.In && left == text {
		left, right, sides[0], sides[1] = right, left, sides[1], sides[0]
	}
	switch {
	case operator == operators.Equals && left == list && right == text:
		return "write " + sides[1] + " in " + sides[0]
	case operator == operators.NotEquals && left == list && right == text:
		return "write !(" + sides[1] + " in " + sides[0] + ")"
	case operator == operators.In && left == list && right == list:
		return "write " + sides[0] + ".exists(x, x in " + sides[1] + ")"
	case operator == operators.In && left == text && right == text:
		return "write " + sides[0] + " in [" + sides[1] + "]"
	}
	return ""
}
