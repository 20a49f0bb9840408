package policy

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// errPatternSize is a regular expression that would cost too much.
var errPatternSize = errors.New("want a smaller regular expression")

// boundedMatches is matches() of CEL with a bound on patterns that are computed. CEL's own bound panics where a pattern
// counts, as a{3} does. Patterns that are written in a rule are compiled once, and checked by wrongLiterals.
func boundedMatches() []cel.EnvOption {
	of := []*types.Type{types.StringType, types.StringType}
	return []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(env.NewLibrarySubset().AddExcludedFunctions(env.NewFunction(overloads.Matches)))),
		cel.Function(overloads.Matches,
			cel.Overload(overloads.Matches, of, types.BoolType),
			cel.MemberOverload(overloads.MatchesString, of, types.BoolType),
			cel.SingletonBinaryBinding(func(text, pattern ref.Val) ref.Val {
				fits, err := compileRegexp(string(pattern.(types.String)))
				if err != nil {
					return types.WrapErr(err)
				}
				return types.Bool(fits.MatchString(string(text.(types.String))))
			})),
	}
}

// compileRegexp compiles a pattern of a bounded size.
func compileRegexp(text string) (*regexp.Regexp, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if large := (*syntax.Error)(nil); errors.As(err, &large) && (large.Code == syntax.ErrLarge || large.Code == syntax.ErrNestingDepth) {
		return nil, fmt.Errorf("%w: %w", errPatternSize, err)
	}
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if size := len(program.Inst); size > maxRegexp {
		return nil, fmt.Errorf("%w: at most %d instructions, got %d", errPatternSize, maxRegexp, size)
	}
	return regexp.Compile(text)
}
