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

	"github.com/sreg-project/sreg/internal/glob"
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

// noCharacter stands for that of a class which has none.
const noCharacter = -1

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
		if why == "" {
			return
		}
		text, err := parser.Unparse(x, checked.SourceInfo())
		if err != nil {
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
			why := pattern{operators.Equals, text}.fitsNothing(word, tags)
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
	text, ok := textOf(call.Args()[0])
	if !ok {
		return ""
	}
	return pattern{call.FunctionName(), text}.fitsNothing(call.Target(), tags)
}

// fitsNothing says why a pattern is never true of a word; it is empty if it may be.
func (p pattern) fitsNothing(word ast.Expr, tags []string) string {
	switch {
	case !p.known():
		return ""
	case isWord(word, "action"):
		return p.fitsNoAction()
	case isWord(word, "namespace"), isWord(word, "from"):
		if why := p.straySlash(); why != "" {
			return why
		}
		return ofNames.cannotSpell(p)
	case isWord(word, "reference"):
		return ofReferences.cannotSpell(p)
	case isTag(word, tags):
		return ofTags.cannotSpell(p)
	}
	if i := strings.IndexAny(p.text, notInGlobs); i >= 0 && p.function == "glob" {
		return itself(p.text[i : i+1])
	}
	return ""
}

// pattern is a text that a function or an operator compares with.
type pattern struct{ function, text string }

func (p pattern) known() bool {
	switch p.function {
	case operators.Equals, overloads.StartsWith, overloads.EndsWith, overloads.Contains, overloads.Matches, "glob":
		return true
	}
	return false
}

// fits reports whether a text is as the pattern wants it.
func (p pattern) fits(text string) bool {
	switch p.function {
	case operators.Equals:
		return text == p.text
	case overloads.StartsWith:
		return strings.HasPrefix(text, p.text)
	case overloads.EndsWith:
		return strings.HasSuffix(text, p.text)
	case overloads.Contains:
		return strings.Contains(text, p.text)
	case overloads.Matches:
		matched, err := regexp.MatchString(p.text, text)
		return err == nil && matched
	case "glob":
		return glob.Match(p.text, text)
	}
	return false
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

func (p pattern) fitsNoAction() string {
	if slices.ContainsFunc(ActionNames(), p.fits) {
		return ""
	}
	for _, action := range neverAsked {
		if p.fits(string(action)) {
			return "no policy is asked about " + string(action)
		}
	}
	if meant := MeantActions(p.text); meant != "" {
		return "it fits no action; " + meant
	}
	return "it fits no action"
}

// straySlash says why no repository name has a slash where the pattern has it.
func (p pattern) straySlash() string {
	whole := p.function == operators.Equals || p.function == "glob"
	switch {
	case (whole || p.function == overloads.StartsWith) && strings.HasPrefix(p.text, "/"):
		return "no repository name begins with a slash"
	case (whole || p.function == overloads.EndsWith) && strings.HasSuffix(p.text, "/"):
		return "no repository name ends with a slash"
	case p.function != overloads.Matches && strings.Contains(p.text, "//"):
		return "no repository name has two slashes in a row"
	}
	return ""
}

// cannotSpell says which character a pattern wants that the alphabet has not.
func (a alphabet) cannotSpell(p pattern) string {
	c, missing := a.missingIn(p)
	switch text := string(c); {
	case !missing:
		return ""
	case c == noCharacter:
		return "it has a class without any character"
	case p.function == "glob" && strings.Contains(notInGlobs, text):
		return itself(text)
	case unicode.IsUpper(c):
		return fmt.Sprintf("no %s has %q%s", a.noun, text, a.but)
	default:
		return fmt.Sprintf("no %s has %q", a.noun, text)
	}
}

// missingIn finds a character without which the pattern fits nothing, and that is not in the alphabet.
func (a alphabet) missingIn(p pattern) (rune, bool) {
	if p.function == overloads.Matches {
		parsed, err := syntax.Parse(p.text, syntax.Perl)
		if err != nil {
			return 0, false
		}
		return a.missing(parsed)
	}
	for _, c := range p.text {
		wild := p.function == "glob" && (c == '*' || c == '?')
		if !wild && !strings.ContainsRune(a.characters, c) {
			return c, true
		}
	}
	return 0, false
}

// missing is missingIn of a regular expression.
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
		if len(x.Rune) == 0 { // no character at all
			return noCharacter, true
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
