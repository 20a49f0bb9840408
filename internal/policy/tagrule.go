package policy

import (
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"

	"github.com/sreg-project/sreg/internal/access"
)

// AboutTags is what a rule means that compares request.reference where manifests are pushed or deleted: the same of
// request.tags. Whoever pushes or deletes by digest has the digest as the reference, whatever tags go with it. It is
// empty for a rule that does nothing of the kind.
func (c *Compiler) AboutTags(cfg Config, rule int) string {
	plain, err := c.withoutMacros()
	if err != nil {
		return ""
	}
	parsed, issues := plain.Parse(cfg.Rules[rule].Expr)
	if issues.Err() != nil {
		return ""
	}
	r := tagRule{info: parsed.NativeRep().SourceInfo(), quantifier: "all"}
	if cfg.Default == "allow" { // a rule that is true denies
		r.quantifier = "exists"
	}
	whole := parsed.NativeRep().Expr()
	if !writesManifests(whole) || mentions(whole, "tags") {
		return ""
	}
	r.rewrite(whole)
	if !r.found {
		return ""
	}
	return r.text(whole)
}

// tagRule rewrites a rule.
type tagRule struct {
	info       *ast.SourceInfo
	quantifier string
	found      bool
}

// rewrite replaces the largest parts that compare the reference and nothing else.
func (r *tagRule) rewrite(x ast.Expr) {
	if compares(x) {
		r.found = true
		make := ast.NewExprFactory()
		ast.PostOrderVisit(x, ast.NewExprVisitor(func(part ast.Expr) {
			if isWord(part, "reference") {
				part.SetKindCase(make.NewIdent(part.ID(), "t"))
			}
		}))
		x.SetKindCase(make.NewIdent(x.ID(), "request.tags."+r.quantifier+"(t, "+r.text(x)+")"))
		return
	}
	if isLogical(x) {
		for _, part := range x.AsCall().Args() {
			r.rewrite(part)
		}
	}
}

func (r *tagRule) text(x ast.Expr) string {
	text, err := parser.Unparse(x, r.info, parser.WrapOnColumn(maxExpression))
	if err != nil {
		return ""
	}
	return text
}

// compares reports whether an expression compares the reference, alone or in every part.
func compares(x ast.Expr) bool {
	if !isLogical(x) {
		return mentions(x, "reference") && !asksForPresence(x)
	}
	for _, part := range x.AsCall().Args() {
		if !compares(part) {
			return false
		}
	}
	return true
}

func isLogical(x ast.Expr) bool {
	return isCall(x, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional)
}

// asksForPresence reports whether an expression is has(x), x == null or x != null.
func asksForPresence(x ast.Expr) bool {
	if isCall(x, operators.Has) {
		return true
	}
	if !isCall(x, operators.Equals, operators.NotEquals) {
		return false
	}
	for _, side := range x.AsCall().Args() {
		if side.Kind() == ast.LiteralKind && side.AsLiteral() == types.NullValue {
			return true
		}
	}
	return false
}

// writesManifests reports whether a rule is about pushes or deletes of manifests: it names one of these actions or a
// part of it, excludes some action, or says nothing of actions.
func writesManifests(x ast.Expr) bool {
	found := !mentions(x, "action")
	ast.PostOrderVisit(x, ast.NewExprVisitor(func(part ast.Expr) {
		if part.Kind() == ast.LiteralKind {
			text, _ := part.AsLiteral().(types.String)
			for _, action := range []string{string(access.PutManifest), string(access.DeleteManifest)} {
				found = found || len(text) > 2 && strings.Contains(action, string(text))
			}
		}
		found = found || isCall(part, operators.NotEquals, operators.LogicalNot) && mentions(part, "action")
	}))
	return found
}

func mentions(x ast.Expr, word string) bool {
	found := false
	ast.PostOrderVisit(x, ast.NewExprVisitor(func(part ast.Expr) { found = found || isWord(part, word) }))
	return found
}

// isWord reports whether an expression is that word of request.
func isWord(x ast.Expr, word string) bool { return isField(x, "request", word) }

// isField reports whether an expression is that word of another one, as in identity.groups.
func isField(x ast.Expr, of, word string) bool {
	if x.Kind() != ast.SelectKind || x.AsSelect().FieldName() != word {
		return false
	}
	before := x.AsSelect().Operand()
	return before.Kind() == ast.IdentKind && before.AsIdent() == of
}

func isCall(x ast.Expr, functions ...string) bool {
	if x.Kind() != ast.CallKind {
		return false
	}
	for _, name := range functions {
		if x.AsCall().FunctionName() == name {
			return true
		}
	}
	return false
}
