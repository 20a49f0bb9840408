package policy

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"golang.org/x/mod/semver"
)

// function is a word that takes arguments.
type function struct {
	name string
	use  string // how it is written, for people
	doc  string
	opts []cel.EnvOption
}

// functions are those that every rule may use, beside those of CEL.
var functions = []function{
	{"contains", "list.contains(text)", "whether the list holds the text; of a text, whether it holds the other one", []cel.EnvOption{
		cel.Function("contains", cel.MemberOverload("list_contains_string", []*types.Type{texts, types.StringType}, types.BoolType,
			cel.BinaryBinding(listContains))),
	}},
	{"glob", "text.glob(pattern)", "whether the pattern fits the whole text: `*` is anything but `/`, `**` anything, `?` one character but `/`", []cel.EnvOption{
		cel.Function("glob", cel.MemberOverload("string_glob", []*types.Type{types.StringType, types.StringType}, types.BoolType,
			cel.BinaryBinding(onTexts(func(text, pattern string) ref.Val { return types.Bool(matchGlob(pattern, text)) })))),
	}},
	{"in_cidr", "address.in_cidr(network)", "whether the address is in the network: `identity.client_ip.in_cidr('10.0.0.0/8')`", []cel.EnvOption{
		cel.Function("in_cidr", cel.MemberOverload("string_in_cidr", []*types.Type{types.StringType, types.StringType}, types.BoolType,
			cel.BinaryBinding(onTexts(inCIDR)))),
	}},
	{"is_semver", "text.is_semver()", "whether the text is a semantic version of three numbers, with or without a v before it", []cel.EnvOption{
		cel.Function("is_semver", cel.MemberOverload("string_is_semver", []*types.Type{types.StringType}, types.BoolType,
			cel.UnaryBinding(onText(func(text string) ref.Val { _, ok := version(text); return types.Bool(ok) })))),
	}},
	{"is_prerelease", "text.is_prerelease()", "whether the text is a semantic version that comes before its release, as `1.2.0-rc.1`", []cel.EnvOption{
		cel.Function("is_prerelease", cel.MemberOverload("string_is_prerelease", []*types.Type{types.StringType}, types.BoolType,
			cel.UnaryBinding(onText(func(text string) ref.Val {
				v, ok := version(text)
				return types.Bool(ok && semver.Prerelease(v) != "")
			})))),
	}},
	{"semver_compare", "text.semver_compare(version)", "-1, 0 or 1: whether the version is before, equal to or after the other one; an error if one is no version", []cel.EnvOption{
		cel.Function("semver_compare", cel.MemberOverload("string_semver_compare", []*types.Type{types.StringType, types.StringType}, types.IntType,
			cel.BinaryBinding(onTexts(compareVersions)))),
	}},
}

// accessFunctions are those of rules about access.
var accessFunctions = []function{
	{"has_repository_policy", "has_repository_policy()", "whether the repository that owns the namespace has a policy of its own", hidden("has_repository_policy", repositoryPolicyVariable, types.BoolType)},
}

// keepFunctions are those of rules about what is kept.
var keepFunctions = []function{
	{"top_pushed", "top_pushed(n)", "whether the image is one of the n tags of its namespace that were pushed last", ranked("top_pushed", pushedRankVariable)},
	{"top_pulled", "top_pulled(n)", "whether the image is one of the n tags of its namespace that were pulled last; a tag that never was is none", ranked("top_pulled", pulledRankVariable)},
	{"now", "now()", "the time, in whole seconds since the epoch", hidden("now", nowVariable, types.IntType)},
	{"days", "days(n)", "n days in seconds", seconds("days", 24*60*60)},
	{"hours", "hours(n)", "n hours in seconds", seconds("hours", 60*60)},
	{"minutes", "minutes(n)", "n minutes in seconds", seconds("minutes", 60)},
}

// Variables that functions without a value of their own stand for. No expression can spell them.
const (
	repositoryPolicyVariable = "@has_repository_policy"
	nowVariable              = "@now"
	pushedRankVariable       = "@pushed_rank"
	pulledRankVariable       = "@pulled_rank"
)

// hidden makes a function without arguments that reads a variable. The function is declared, too, so
// that a call with arguments is told apart from an unknown word.
func hidden(name, variable string, typ *types.Type) []cel.EnvOption {
	read := func(make cel.MacroExprFactory, _ ast.Expr, _ []ast.Expr) (ast.Expr, *cel.Error) {
		return make.NewIdent(variable), nil
	}
	return []cel.EnvOption{
		cel.Variable(variable, typ),
		cel.Macros(cel.GlobalMacro(name, 0, read)),
		cel.Function(name, cel.Overload(name+"_no_arguments", nil, typ, cel.FunctionBinding(func(...ref.Val) ref.Val {
			return types.NewErr("%s has no value here", name)
		}))),
	}
}

// ranked makes a function of a number: whether the image's rank, from 1, is at most that. Rank 0 is none.
func ranked(name, variable string) []cel.EnvOption {
	read := func(make cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
		return make.NewCall("@"+name, make.NewIdent(variable), args[0]), nil
	}
	return []cel.EnvOption{
		cel.Variable(variable, types.IntType),
		cel.Macros(cel.GlobalMacro(name, 1, read)),
		cel.Function("@"+name, cel.Overload("rank_"+name, []*types.Type{types.IntType, types.IntType}, types.BoolType,
			cel.BinaryBinding(func(rank, most ref.Val) ref.Val {
				r, m := rank.(types.Int), most.(types.Int)
				return types.Bool(r > 0 && r <= m)
			}))),
		cel.Function(name, cel.Overload(name+"_int", []*types.Type{types.IntType}, types.BoolType, cel.UnaryBinding(func(ref.Val) ref.Val {
			return types.NewErr("%s has no value here", name)
		}))),
	}
}

// seconds makes a function of a number of units.
func seconds(name string, unit types.Int) []cel.EnvOption {
	return []cel.EnvOption{cel.Function(name, cel.Overload(name+"_int", []*types.Type{types.IntType}, types.IntType,
		cel.UnaryBinding(func(n ref.Val) ref.Val { return unit.Multiply(n) })))}
}

func onText(f func(text string) ref.Val) func(ref.Val) ref.Val {
	return func(text ref.Val) ref.Val {
		t, ok := text.(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(text)
		}
		return f(string(t))
	}
}

func onTexts(f func(text, argument string) ref.Val) func(ref.Val, ref.Val) ref.Val {
	return func(text, argument ref.Val) ref.Val {
		t, ok := text.(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(text)
		}
		a, ok := argument.(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(argument)
		}
		return f(string(t), string(a))
	}
}

func listContains(list, text ref.Val) ref.Val {
	l, ok := list.(interface{ Contains(ref.Val) ref.Val })
	if !ok {
		return types.MaybeNoSuchOverloadErr(list)
	}
	return l.Contains(text)
}

func inCIDR(address, network string) ref.Val {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return types.NewErr("in_cidr: want an address, got %q", address)
	}
	n, err := parseNetwork(network)
	if err != nil {
		return types.NewErr("in_cidr: %v", err)
	}
	return types.Bool(n.Contains(a.Unmap()))
}

func parseNetwork(text string) (netip.Prefix, error) {
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return n, fmt.Errorf("want a network such as 10.0.0.0/8, got %q", text)
	}
	return n, nil
}

// version reads a semantic version as the semver package wants it: with a v before it.
func version(text string) (string, bool) {
	v := text
	if !strings.HasPrefix(v, "v") {
		v = "v" + v
	}
	// The package also takes v1 and v1.2, which are names of a line rather than versions.
	return v, semver.IsValid(v) && semver.Canonical(v)+semver.Build(v) == v
}

func compareVersions(text, other string) ref.Val {
	a, ok := version(text)
	if !ok {
		return types.NewErr("semver_compare: %q is no semantic version", text)
	}
	b, ok := version(other)
	if !ok {
		return types.NewErr("semver_compare: %q is no semantic version", other)
	}
	return types.Int(semver.Compare(a, b))
}
