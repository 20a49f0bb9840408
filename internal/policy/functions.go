package policy

import (
	"fmt"
	"net/netip"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"golang.org/x/mod/semver"

	"github.com/sreg-project/sreg/internal/glob"
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
			cel.BinaryBinding(func(list, text ref.Val) ref.Val { return list.(traits.Container).Contains(text) }))),
	}},
	{
		"glob", "text.glob(pattern)", "whether the pattern fits the whole text: `*` is anything but `/`, `**` anything, `?` one character but `/`",
		ofTwoTexts("glob", types.BoolType, func(text, pattern string) ref.Val { return types.Bool(glob.Match(pattern, text)) }),
	},
	{
		"in_cidr", "address.in_cidr(network)", "whether the address is in the network: `identity.client_ip.in_cidr('10.0.0.0/8')`",
		ofTwoTexts("in_cidr", types.BoolType, inCIDR),
	},
	{
		"is_semver", "text.is_semver()", "whether the text is a semantic version of three numbers, with or without a v before it",
		ofText("is_semver", func(text string) bool { _, ok := version(text); return ok }),
	},
	{
		"is_prerelease", "text.is_prerelease()", "whether the text is a semantic version that comes before its release, as `1.2.0-rc.1`",
		ofText("is_prerelease", func(text string) bool { v, ok := version(text); return ok && semver.Prerelease(v) != "" }),
	},
	{
		"semver_compare", "text.semver_compare(version)", "-1, 0 or 1: whether the version is before, equal to or after the other one; an error if one is no version",
		ofTwoTexts("semver_compare", types.IntType, compareVersions),
	},
	{"semver", "semver(text)", "the parts of a semantic version, with or without a v before it; of null and of any other text all of them say nothing", []cel.EnvOption{
		cel.Function("semver", cel.Overload("semver_string", []*types.Type{textOrNull}, versionWords.typ, cel.UnaryBinding(semverOf))),
	}},
}

// accessFunctions are those of rules about access.
var accessFunctions = []function{
	{"has_repository_policy", "has_repository_policy()", "whether the repository that owns the namespace has a policy of its own", hidden("has_repository_policy", repositoryPolicyVariable, types.BoolType)},
}

// keepFunctions are those of rules about what is kept.
var keepFunctions = []function{
	{topPushed, "top_pushed(n)", "whether the image is one of the n tags of its namespace that were pushed last", ranked(topPushed)},
	{topPulled, "top_pulled(n)", "whether the image is one of the n tags of its namespace that were pulled last; a tag that never was is none", ranked(topPulled)},
	{topPushedLike, "top_pushed_like(pattern, n)", "whether the image is one of the n that were pushed last among the tags that the regular expression finds the same first group in, such as those of one branch; without a group, among all that it fits", rankedLike(topPushedLike)},
	{topVersion, "top_version(n)", "whether the tag is one of the n highest versions of its namespace; releases alone count, and `v1.2.3` and `1.2.3` are one version", ranked(topVersion)},
	{topOfMajor, "top_of_major(n)", "whether the tag is one of the n highest versions with its first number, counted as for `top_version`", ranked(topOfMajor)},
	{topOfMinor, "top_of_minor(n)", "whether the tag is one of the n highest versions with its first two numbers, counted as for `top_version`", ranked(topOfMinor)},
	{"now", "now()", "the time, in whole seconds since the epoch", hidden("now", nowVariable, types.IntType)},
	{"days", "days(n)", "n days in seconds", seconds("days", 24*60*60)},
	{"hours", "hours(n)", "n hours in seconds", seconds("hours", 60*60)},
	{"minutes", "minutes(n)", "n minutes in seconds", seconds("minutes", 60)},
}

// The hidden variables behind functions that depend on the question. No expression can name them.
const (
	repositoryPolicyVariable = "@has_repository_policy"
	nowVariable              = "@now"
	rankedVariable           = "@ranked"
)

// hidden makes a function without arguments that reads a hidden variable. The function is declared, too, so
// that a call with arguments is not reported as an unknown function.
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

// ranked makes a function of a number: whether the image's rank is at most that.
func ranked(name string) []cel.EnvOption {
	return rankedCall(name, []*types.Type{types.IntType}, func(args ...ref.Val) ref.Val {
		return top(ranking{word: name}, args[0], args[1])
	})
}

// rankedLike makes a function of a pattern and a number.
func rankedLike(name string) []cel.EnvOption {
	return rankedCall(name, []*types.Type{types.StringType, types.IntType}, func(args ...ref.Val) ref.Val {
		return top(ranking{word: name, pattern: string(args[1].(types.String))}, args[0], args[2])
	})
}

// rankedCall makes a function that is called with the image as a hidden first argument. The function
// without that argument is declared, too, so that a call with wrong arguments is not reported as an unknown
// function.
func rankedCall(name string, arguments []*types.Type, call func(args ...ref.Val) ref.Val) []cel.EnvOption {
	write := func(make cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
		return make.NewCall("@"+name, append([]ast.Expr{make.NewIdent(rankedVariable)}, args...)...), nil
	}
	return []cel.EnvOption{
		cel.Variable(rankedVariable, rankedImage.typ),
		cel.Macros(cel.GlobalMacro(name, len(arguments), write)),
		cel.Function("@"+name, cel.Overload("ranked_"+name, append([]*types.Type{rankedImage.typ}, arguments...), types.BoolType, cel.FunctionBinding(call))),
		cel.Function(name, cel.Overload(name+"_arguments", arguments, types.BoolType, cel.FunctionBinding(func(...ref.Val) ref.Val {
			return types.NewErr("%s has no value here", name)
		}))),
	}
}

// seconds makes a function of a number of units.
func seconds(name string, unit types.Int) []cel.EnvOption {
	return []cel.EnvOption{cel.Function(name, cel.Overload(name+"_int", []*types.Type{types.IntType}, types.IntType,
		cel.UnaryBinding(func(n ref.Val) ref.Val { return unit.Multiply(n) })))}
}

// ofText makes a method of a text. CEL checks the types of all arguments before it calls one.
func ofText(name string, holds func(text string) bool) []cel.EnvOption {
	return []cel.EnvOption{cel.Function(name, cel.MemberOverload("string_"+name, []*types.Type{types.StringType}, types.BoolType,
		cel.UnaryBinding(func(text ref.Val) ref.Val { return types.Bool(holds(string(text.(types.String)))) })))}
}

// ofTwoTexts makes a method of a text that takes another one.
func ofTwoTexts(name string, result *types.Type, call func(text, argument string) ref.Val) []cel.EnvOption {
	return []cel.EnvOption{cel.Function(name, cel.MemberOverload("string_"+name, []*types.Type{types.StringType, types.StringType}, result,
		cel.BinaryBinding(func(text, argument ref.Val) ref.Val {
			return call(string(text.(types.String)), string(argument.(types.String)))
		})))}
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
