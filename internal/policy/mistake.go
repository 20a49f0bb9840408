package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"

	"github.com/sreg-project/sreg/internal/spelling"
)

// Mistake is what is wrong with a rule, and where in its expression. Lines and columns begin at 1, in
// characters.
type Mistake struct {
	Rule    int    // index in the policy
	Name    string // of the rule
	Line    int
	Column  int
	Message string
	Hint    string // what to write instead; may be empty
}

// String is one line without the position: unknown field identity.nme: did you mean identity.name?
func (m Mistake) String() string {
	if m.Hint == "" {
		return m.Message
	}
	return m.Message + ": " + m.Hint
}

// CompileError is all that is wrong with the rules of a policy.
type CompileError struct {
	Mistakes []Mistake
}

// Error is one line for each mistake.
func (e *CompileError) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = fmt.Sprintf("rule %s: line %d, column %d: %s", m.Name, m.Line, m.Column, m)
	}
	return strings.Join(lines, "\n")
}

// mistakes turns what CEL found into mistakes with messages about the rule.
func (e *environment) mistakes(expr string, parsed *ast.AST, issues *cel.Issues) []Mistake {
	var found []Mistake
	for _, issue := range issues.Errors() {
		m := Mistake{Line: max(1, issue.Location.Line()), Column: max(0, issue.Location.Column()) + 1}
		m.beforeEnd(expr)
		for _, r := range rewordings {
			if groups := r.message.FindStringSubmatch(issue.Message); groups != nil {
				r.reword(celMistake{&m, e, expr, parsed, issue.ExprID, groups})
				break
			}
		}
		if parsed == nil {
			m.Hint = cmp.Or(m.fromHabit(expr), m.Hint)
		}
		found = append(found, m)
	}
	slices.SortStableFunc(found, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if parsed == nil {
		return found[:1] // the others follow from the first
	}
	return slices.Compact(found)
}

// beforeEnd puts a mistake that CEL found at the end of an expression behind its last word, not in the empty lines behind that.
func (m *Mistake) beforeEnd(expr string) {
	lines := strings.Split(strings.TrimRightFunc(expr, unicode.IsSpace), "\n")
	if m.Line > len(lines) {
		m.Line, m.Column = len(lines), utf8.RuneCountInString(lines[len(lines)-1])+1
	}
}

// celMistake is one message of CEL, about an expression.
type celMistake struct {
	*Mistake
	env    *environment
	expr   string
	parsed *ast.AST
	id     int64    // of the part that it is about
	groups []string // what the pattern of the message found
}

// rewordings replace messages of CEL, which have no codes, by messages about the rule. The first that matches
// counts.
var rewordings = []struct {
	message *regexp.Regexp
	reword  func(m celMistake)
}{
	{regexp.MustCompile(`^undefined field '(.*)'$`), celMistake.unknownField},
	{regexp.MustCompile(`^undeclared reference to '(.*)' \(in container`), celMistake.unknownWord},
	{regexp.MustCompile(`^found no matching overload for '(.*?)' applied to '(.*)'$`), celMistake.wrongArguments},
	{regexp.MustCompile(`^type '(.*)' does not support field selection$`), func(m celMistake) {
		m.Message = "a " + readable(m.groups[1]) + " has no fields"
	}},
	{regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`), func(m celMistake) {
		m.Message = fmt.Sprintf("want %s, got %s", readable(m.groups[1]), readable(m.groups[2]))
	}},
	{regexp.MustCompile(`^expression of type '(.*)' cannot be range`), func(m celMistake) {
		m.Message = "want a list or a map to go over, got " + readable(m.groups[1])
	}},
	{regexp.MustCompile(`^invalid argument to has\(\) macro`), func(m celMistake) {
		m.Message, m.Hint = "has() wants a field", "write has(request.namespace)"
	}},
	{regexp.MustCompile(`^Syntax error: (?:mismatched|extraneous) input '(.*)' expecting`), celMistake.unexpected},
	{regexp.MustCompile(`(?s)^Syntax error: (?:no viable alternative at input|token recognition error at:) '(.*)'$`), celMistake.unexpected},
	{regexp.MustCompile(`^Syntax error: missing (.*) at '`), func(m celMistake) { m.Message = "missing " + m.groups[1] }},
	{regexp.MustCompile(`(?s)^(?:Syntax error: |ERROR: )*(.*)`), func(m celMistake) { m.Message = m.groups[1] }},
}

func (m celMistake) unexpected() {
	switch input := m.groups[1]; {
	case input == "<EOF>":
		m.Message = "the expression ends too early"
	case strings.HasPrefix(input, "'") || strings.HasPrefix(input, `"`):
		line, _, _ := strings.Cut(input, "\n")
		m.Message = "the text " + strings.TrimSpace(line) + " does not end"
	default:
		m.Message = fmt.Sprintf("unexpected %q", strings.TrimSpace(input))
	}
}

// The types in CEL's messages that people read otherwise.
var (
	anyType      = regexp.MustCompile(`\b(dyn|[A-Z])\b`) // a letter is the type of any list or map
	emptyCall    = regexp.MustCompile(`\(\)$`)
	nullableType = regexp.MustCompile(`wrapper\((\w+)\)`)
	listType     = regexp.MustCompile(`list\(([^()]+)\)`)
	mapType      = regexp.MustCompile(`map\(([^(),]+), ([^()]+)\)`)
	memberCall   = regexp.MustCompile(`^(.+)\.(\([^.]*\))$`)
)

// typeName is a type as people read it.
func typeName(t *types.Type) string { return readable(t.String()) }

// readable is a type in a message of CEL, or a list of them, as people read it.
func readable(celType string) string {
	celType = anyType.ReplaceAllString(strings.ReplaceAll(celType, "@", ""), "anything")
	celType = emptyCall.ReplaceAllString(celType, "(nothing)")
	celType = nullableType.ReplaceAllString(celType, "$1 or null")
	celType = listType.ReplaceAllString(celType, "list of $1")
	celType = mapType.ReplaceAllString(celType, "map of $1 to $2")
	return memberCall.ReplaceAllString(celType, "$2 behind a $1")
}

// unknownField points at the field rather than at the dot before it.
func (m celMistake) unknownField() {
	m.Column++
	name := m.groups[1]
	of := m.objectBefore()
	if of == nil {
		m.Message = "unknown field " + name
		return
	}
	m.Message = "unknown field " + of.word + "." + name
	if near, ok := spelling.Nearest(name, of.names()); ok {
		m.Hint = "did you mean " + of.word + "." + near + "?"
		return
	}
	m.Hint = of.word + " has " + strings.Join(of.names(), ", ")
}

// objectBefore is the type of what stands before the dot of the selection.
func (m celMistake) objectBefore() *objectType {
	var path string
	ast.PostOrderVisit(m.parsed.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.ID() == m.id && x.Kind() == ast.SelectKind {
			path = pathOf(x.AsSelect().Operand())
		}
	}))
	for _, o := range m.env.objects {
		if o.word == path {
			return o
		}
	}
	return nil
}

// pathOf is identity.certificate or semver(...) for an expression of that form, else empty.
func pathOf(x ast.Expr) string {
	switch x.Kind() {
	case ast.IdentKind:
		return x.AsIdent()
	case ast.SelectKind:
		return pathOf(x.AsSelect().Operand()) + "." + x.AsSelect().FieldName()
	case ast.CallKind:
		return x.AsCall().FunctionName() + "(...)"
	}
	return ""
}

func (m celMistake) unknownWord() {
	word := m.groups[1]
	called := m.moveToName(word)
	var roots []string // the words that a path begins with
	for _, o := range m.env.objects {
		if !strings.Contains(o.word, ".") {
			roots = append(roots, o.word)
		}
	}
	kind, words := "word", append([]string{"has", "true", "false", "null"}, roots...)
	if called {
		kind, words = "function", []string{"has", "all", "exists", "exists_one", "map", "filter"}
		for _, f := range m.env.cel.Functions() {
			words = append(words, f.Name())
		}
	}
	words = slices.DeleteFunc(words, func(w string) bool { return strings.ContainsAny(w, "@_?!") && !m.env.ours(w) })
	slices.Sort(words)
	m.Message = "unknown " + kind + " " + word
	if m.Hint = m.fromHabit(m.expr); m.Hint != "" {
		return
	}
	if near, ok := spelling.Nearest(word, words); ok {
		m.Hint = "did you mean " + near + "?"
	} else if !called {
		m.Hint = "the words are " + strings.Join(roots, ", ") + "; a text stands in quotes"
	}
}

// ours reports whether one of our functions has the name. Operators of CEL are functions, too.
func (e *environment) ours(name string) bool {
	return slices.ContainsFunc(e.functions, func(f function) bool { return f.name == name })
}

// moveToName moves a mistake in a call from the bracket to the name of the function, and reports whether it
// is in a call.
func (m celMistake) moveToName(name string) bool {
	lines := strings.Split(m.expr, "\n")
	if m.Line > len(lines) {
		return false
	}
	line := []rune(lines[m.Line-1])
	at := m.Column - 1
	if at >= len(line) || line[at] != '(' {
		return false
	}
	if start := at - utf8.RuneCountInString(name); start >= 0 && string(line[start:at]) == name {
		m.Column = start + 1
	}
	return true
}

// operatorNames are the operators whose symbols are hidden in the names of CEL's functions.
var operatorNames = map[string]string{operators.Conditional: "? :", operators.Index: "[ ]", operators.In: "in", operators.Negate: "-"}

func (m celMistake) wrongArguments() {
	function, arguments := m.groups[1], readable(strings.Replace(m.groups[2], "("+rankedVariable+", ", "(", 1))
	m.Hint = m.listHint()
	if symbol, ok := operatorNames[function]; ok {
		m.Message = symbol + " does not take " + arguments
		return
	}
	if symbol := strings.Trim(function, "_"); symbol != function {
		m.Message = symbol + " does not take " + arguments
		if (symbol == "==" || symbol == "!=") && strings.Contains(arguments, "string") && strings.Contains(arguments, "int") {
			m.Hint = "a text stands in quotes, a number does not"
		}
		return
	}
	function = strings.TrimPrefix(function, "@")
	m.moveToName(function)
	m.Message = function + " does not take " + arguments
	m.Hint = "write " + m.env.useOf(function)
}

// useOf is how a function is written.
func (e *environment) useOf(name string) string {
	var uses []string
	for _, f := range e.functions {
		if f.name == name {
			uses = append(uses, f.use)
		}
	}
	if len(uses) > 0 && name != overloads.Contains { // CEL has one of that name, too
		return strings.Join(uses, " or ")
	}
	uses = nil
	declared, ok := e.cel.Functions()[name]
	if !ok {
		return name + "(...)"
	}
	for _, o := range declared.OverloadDecls() {
		arguments := make([]string, len(o.ArgTypes()))
		for i, t := range o.ArgTypes() {
			arguments[i] = typeName(t)
		}
		if use := written(name, arguments, o.IsMemberFunction()); !slices.Contains(uses, use) && len(uses) < 4 {
			uses = append(uses, use)
		}
	}
	return strings.Join(uses, " or ")
}

func written(name string, arguments []string, member bool) string {
	if member {
		return arguments[0] + "." + name + "(" + strings.Join(arguments[1:], ", ") + ")"
	}
	return name + "(" + strings.Join(arguments, ", ") + ")"
}

// notBool says that a rule is neither true nor false.
func notBool(checked *cel.Ast) Mistake {
	m := Mistake{Line: 1, Column: 1, Message: "want true or false, this is " + article(typeName(checked.OutputType()))}
	switch checked.OutputType().Kind() {
	case types.DynKind:
		m.Hint = "compare it, as in ... == true"
	case types.StringKind:
		m.Hint = "compare it, as in ... == 'x' or ... != null"
	}
	return m
}

func article(noun string) string {
	switch {
	case noun == "anything":
		return noun
	case strings.ContainsRune("aeiou", rune(noun[0])):
		return "an " + noun
	}
	return "a " + noun
}
