package policy

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/parser"
)

// alphabet is the characters that the texts of some words have.
type alphabet struct {
	noun, characters string
	but              string // what else to say
}

var (
	ofNames      = alphabet{"repository name", "abcdefghijklmnopqrstuvwxyz0123456789._-/", ": they are in lower case"}
	ofTags       = alphabet{"tag", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", ""}
	ofReferences = alphabet{"tag or digest", ofTags.characters + ":+=", ""}
)

// notInGlobs are what mean something in the globs of others.
const notInGlobs = "{}[]"

// unmatched finds comparisons with texts and patterns that fit nothing, and says why.
func unmatched(checked *ast.AST) []string {
	var found []string
	tags := loopsOver(checked.Expr(), "request", "tags")
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.CallKind {
			return
		}
		why := whyUnmatched(x.AsCall(), tags)
		text, err := parser.Unparse(x, checked.SourceInfo())
		if why == "" || err != nil {
			return
		}
		outcome := "never"
		if x.AsCall().FunctionName() == operators.NotEquals {
			outcome = "always"
		}
		found = append(found, fmt.Sprintf("%s is %s true: %s", text, outcome, why))
	}))
	return slices.Compact(found)
}

func whyUnmatched(call ast.CallExpr, tags []string) string {
	if word, literals := comparison(call); word != nil {
		var whys []string
		for _, literal := range literals {
			text, ok := textOf(literal)
			if !ok {
				return "" // it may be anything
			}
			why := fits(word, tags, operators.Equals, text)
			if why == "" {
				return ""
			}
			whys = append(whys, why)
		}
		return strings.Join(slices.Compact(whys), "; ")
	}
	if !call.IsMemberFunction() || len(call.Args()) != 1 {
		return ""
	}
	pattern, ok := textOf(call.Args()[0])
	if !ok {
		return ""
	}
	return fits(call.Target(), tags, call.FunctionName(), pattern)
}

// fits says why a function is never true of a word and a text; it is empty if it may be.
func fits(word ast.Expr, tags []string, function, text string) string {
	expr := asRegexp(function, text)
	if expr == "" {
		return ""
	}
	switch {
	case isWord(word, "action"):
		return fitsNoAction(expr, text)
	case isWord(word, "namespace"), isWord(word, "from"):
		if why := straySlash(function, text); why != "" {
			return why
		}
		return ofNames.cannotSpell(expr, function)
	case isWord(word, "reference"):
		return ofReferences.cannotSpell(expr, function)
	case isTag(word, tags):
		return ofTags.cannotSpell(expr, function)
	}
	if i := strings.IndexAny(text, notInGlobs); i >= 0 && function == "glob" {
		return itself(text[i : i+1])
	}
	return ""
}

// asRegexp writes what a function looks for as a regular expression; it is empty for any other function.
func asRegexp(function, text string) string {
	whole := regexp.QuoteMeta(text)
	switch function {
	case operators.Equals:
		return "^" + whole + "$"
	case overloads.StartsWith:
		return "^" + whole
	case overloads.EndsWith:
		return whole + "$"
	case overloads.Contains:
		return whole
	case overloads.Matches:
		return text
	case "glob":
		return "^" + strings.NewReplacer(`\*\*`, ".*", `\*`, "[^/]*", `\?`, "[^/]").Replace(whole) + "$"
	}
	return ""
}

// loopsOver are the names that stand for one item of a word in loops.
func loopsOver(x ast.Expr, of, word string) []string {
	var names []string
	ast.PreOrderVisit(x, ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() == ast.ComprehensionKind && isField(x.AsComprehension().IterRange(), of, word) {
			names = append(names, x.AsComprehension().IterVar())
		}
	}))
	return names
}

// isTag reports whether an expression is a tag: image.tag, or what goes over request.tags.
func isTag(x ast.Expr, loops []string) bool {
	return isOneOf(x, loops) || isField(x, "image", "tag")
}

func fitsNoAction(expr, text string) string {
	pattern, err := regexp.Compile(expr)
	if err != nil {
		return ""
	}
	if slices.ContainsFunc(ActionNames(), pattern.MatchString) {
		return ""
	}
	for _, action := range neverAsked {
		if pattern.MatchString(string(action)) {
			return "no policy is asked about " + string(action)
		}
	}
	if meant := MeantActions(text); meant != "" {
		return "it fits no action; " + meant
	}
	return "it fits no action"
}

// straySlash says why no repository name has a slash where a text has it.
func straySlash(function, text string) string {
	begins := slices.Contains([]string{operators.Equals, overloads.StartsWith, "glob"}, function)
	ends := slices.Contains([]string{operators.Equals, overloads.EndsWith, "glob"}, function)
	switch {
	case begins && strings.HasPrefix(text, "/"):
		return "no repository name begins with a slash"
	case ends && strings.HasSuffix(text, "/"):
		return "no repository name ends with a slash"
	case function != overloads.Matches && strings.Contains(text, "//"):
		return "no repository name has two slashes in a row"
	}
	return ""
}

// cannotSpell says which character a regular expression wants that the alphabet has not.
func (a alphabet) cannotSpell(expr, function string) string {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return ""
	}
	c, missing := a.missing(parsed)
	switch text := string(c); {
	case !missing:
		return ""
	case function == "glob" && strings.Contains(notInGlobs, text):
		return itself(text)
	case unicode.IsUpper(c):
		return fmt.Sprintf("no %s has %q%s", a.noun, text, a.but)
	default:
		return fmt.Sprintf("no %s has %q", a.noun, text)
	}
}

// missing finds a character without which the expression fits nothing, and that is not in the alphabet.
func (a alphabet) missing(x *syntax.Regexp) (rune, bool) {
	switch x.Op {
	case syntax.OpLiteral:
		for _, c := range x.Rune {
			other := c
			if x.Flags&syntax.FoldCase != 0 {
				other = unicode.SimpleFold(c)
			}
			if !strings.ContainsRune(a.characters, c) && !strings.ContainsRune(a.characters, other) {
				return c, true
			}
		}
	case syntax.OpCharClass:
		for _, c := range a.characters {
			for i := 0; i < len(x.Rune); i += 2 {
				if x.Rune[i] <= c && c <= x.Rune[i+1] {
					return 0, false
				}
			}
		}
		return x.Rune[0], true
	case syntax.OpRepeat:
		if x.Min > 0 {
			return a.missing(x.Sub[0])
		}
	case syntax.OpCapture, syntax.OpPlus:
		return a.missing(x.Sub[0])
	case syntax.OpConcat:
		for _, sub := range x.Sub {
			if c, is := a.missing(sub); is {
				return c, true
			}
		}
	case syntax.OpAlternate:
		for _, sub := range x.Sub {
			if _, is := a.missing(sub); !is {
				return 0, false
			}
		}
		return a.missing(x.Sub[0])
	}
	return 0, false
}

// itself explains a character of other globs.
func itself(character string) string {
	return fmt.Sprintf("%q stands for itself in a glob; write several globs with || between them, or matches", character)
}

// isOneOf reports whether an expression is one of these names.
func isOneOf(x ast.Expr, names []string) bool {
	return x.Kind() == ast.IdentKind && slices.Contains(names, x.AsIdent())
}
