package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
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

// String is one line without the place: unknown field identity.nme: did you mean identity.name?
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

// mistakes says in our words what CEL found.
func (e *environment) mistakes(expr string, parsed *ast.AST, issues *cel.Issues) []Mistake {
	var found []Mistake
	for _, issue := range issues.Errors() {
		m := Mistake{Line: max(1, issue.Location.Line()), Column: max(0, issue.Location.Column()) + 1, Message: issue.Message}
		e.explain(&m, expr, parsed, issue)
		found = append(found, m)
	}
	slices.SortStableFunc(found, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if parsed == nil {
		return found[:1] // what follows from the first slip of the pen is no mistake of its own
	}
	return slices.Compact(found)
}

// The messages of CEL that are said better in words about the rule. CEL has no codes for them.
var (
	undefinedField  = regexp.MustCompile(`^undefined field '(.*)'$`)
	undeclared      = regexp.MustCompile(`^undeclared reference to '(.*)' \(in container`)
	noOverload      = regexp.MustCompile(`^found no matching overload for '(.*?)' applied to '(.*)'$`)
	notSelectable   = regexp.MustCompile(`^type '(.*)' does not support field selection$`)
	wrongType       = regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`)
	wrongRange      = regexp.MustCompile(`^expression of type '(.*)' cannot be range`)
	unexpectedInput = regexp.MustCompile(`^Syntax error: (?:mismatched|extraneous) input '(.*)' expecting`)
	noAlternative   = regexp.MustCompile(`^Syntax error: (?:no viable alternative at input|token recognition error at:) '(.*)'$`)
	missingInput    = regexp.MustCompile(`^Syntax error: missing (.*) at '`)
	invalidHas      = regexp.MustCompile(`^invalid argument to has\(\) macro`)
)

func (e *environment) explain(m *Mistake, expr string, parsed *ast.AST, issue *cel.Error) {
	message := issue.Message
	switch {
	case undefinedField.MatchString(message):
		e.unknownField(m, parsed, issue.ExprID, undefinedField.FindStringSubmatch(message)[1])
	case undeclared.MatchString(message):
		e.unknownWord(m, expr, undeclared.FindStringSubmatch(message)[1])
	case noOverload.MatchString(message):
		groups := noOverload.FindStringSubmatch(message)
		e.wrongArguments(m, expr, groups[1], readable(strings.Replace(groups[2], "("+rankedVariable+", ", "(", 1)))
	case notSelectable.MatchString(message):
		m.Message = "a " + readable(notSelectable.FindStringSubmatch(message)[1]) + " has no fields"
	case wrongType.MatchString(message):
		groups := wrongType.FindStringSubmatch(message)
		m.Message = fmt.Sprintf("want %s, got %s", readable(groups[1]), readable(groups[2]))
	case wrongRange.MatchString(message):
		m.Message = "want a list or a map to go over, got " + readable(wrongRange.FindStringSubmatch(message)[1])
	case invalidHas.MatchString(message):
		m.Message, m.Hint = "has() wants a field", "write has(request.namespace)"
	case unexpectedInput.MatchString(message):
		m.Message = unexpected(unexpectedInput.FindStringSubmatch(message)[1])
	case noAlternative.MatchString(message):
		m.Message = unexpected(noAlternative.FindStringSubmatch(message)[1])
	case missingInput.MatchString(message):
		m.Message = "missing " + missingInput.FindStringSubmatch(message)[1]
	default:
		m.Message = strings.TrimPrefix(strings.ReplaceAll(message, "Syntax error: ", ""), "ERROR: ")
	}
}

func unexpected(input string) string {
	switch {
	case input == "<EOF>":
		return "the expression ends too early"
	case strings.HasPrefix(input, "'") || strings.HasPrefix(input, `"`):
		return "the text " + input + " does not end"
	}
	return fmt.Sprintf("unexpected %q", input)
}

// The types in CEL's messages that people read otherwise.
var (
	emptyCall    = regexp.MustCompile(`\(\)$`)
	nullableType = regexp.MustCompile(`wrapper\((\w+)\)`)
	listType     = regexp.MustCompile(`list\(([^()]+)\)`)
	mapType      = regexp.MustCompile(`map\(([^(),]+), ([^()]+)\)`)
	memberCall   = regexp.MustCompile(`^(.+)\.(\([^.]*\))$`)
)

// readable is a type, or a list of them, as people read it.
func readable(celType string) string {
	celType = strings.ReplaceAll(strings.ReplaceAll(celType, "@", ""), "dyn", "anything")
	celType = emptyCall.ReplaceAllString(celType, "(nothing)")
	celType = nullableType.ReplaceAllString(celType, "$1 or null")
	celType = listType.ReplaceAllString(celType, "list of $1")
	celType = mapType.ReplaceAllString(celType, "map of $1 to $2")
	return memberCall.ReplaceAllString(celType, "$2 behind a $1")
}

// unknownField points at the field rather than at the dot before it.
func (e *environment) unknownField(m *Mistake, parsed *ast.AST, id int64, name string) {
	m.Column++
	of := e.objectBefore(parsed, id)
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

// objectBefore is the type of what stands before the dot of a selection.
func (e *environment) objectBefore(parsed *ast.AST, id int64) *objectType {
	var found *objectType
	ast.PostOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.ID() == id && x.Kind() == ast.SelectKind {
			found = e.object(pathOf(x.AsSelect().Operand()))
		}
	}))
	return found
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

func (e *environment) object(word string) *objectType {
	for _, o := range e.objects {
		if o.word == word {
			return o
		}
	}
	return nil
}

func (e *environment) unknownWord(m *Mistake, expr, word string) {
	called := pointAt(m, expr, word)
	words := []string{"has", "true", "false", "null"}
	kind := "word"
	if called {
		kind, words = "function", []string{"has", "all", "exists", "exists_one", "map", "filter"}
		for _, f := range e.cel.Functions() {
			words = append(words, f.Name())
		}
	}
	for _, o := range e.objects {
		if !called && !strings.Contains(o.word, ".") {
			words = append(words, o.word)
		}
	}
	words = slices.DeleteFunc(words, func(w string) bool { return strings.ContainsAny(w, "@_?!") && !e.ours(w) })
	slices.Sort(words)
	m.Message = "unknown " + kind + " " + word
	if near, ok := spelling.Nearest(word, words); ok {
		m.Hint = "did you mean " + near + "?"
	} else if !called {
		m.Hint = "the words are " + strings.Join(e.roots(), ", ") + "; a text stands in quotes"
	}
}

// roots are the words that everything begins with.
func (e *environment) roots() []string {
	var words []string
	for _, o := range e.objects {
		if !strings.Contains(o.word, ".") {
			words = append(words, o.word)
		}
	}
	return words
}

// ours reports whether one of our functions has the name. Operators of CEL are functions, too.
func (e *environment) ours(name string) bool {
	return slices.ContainsFunc(e.functions, func(f function) bool { return f.name == name })
}

// pointAt moves a mistake in a call from the bracket to its name, and reports whether it is a call.
func pointAt(m *Mistake, expr, word string) bool {
	lines := strings.Split(expr, "\n")
	if m.Line > len(lines) {
		return false
	}
	line := []rune(lines[m.Line-1])
	length := utf8.RuneCountInString(word)
	at := m.Column - 1
	if at >= len(line) || line[at] != '(' {
		return false
	}
	if start := at - length; start >= 0 && string(line[start:at]) == word {
		m.Column = start + 1
	}
	return true
}

// operatorNames are the operators whose symbols are hidden in the names of CEL's functions.
var operatorNames = map[string]string{operators.Conditional: "? :", operators.Index: "[ ]", operators.In: "in", operators.Negate: "-"}

func (e *environment) wrongArguments(m *Mistake, expr, function, arguments string) {
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
	pointAt(m, expr, function)
	m.Message = function + " does not take " + arguments
	m.Hint = "write " + e.useOf(function)
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
