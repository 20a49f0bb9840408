package policy

import (
	"math"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"golang.org/x/mod/semver"
)

// numbered is what semver() makes of a text. One that is no version, or no text at all, is the zero value:
// a rule about versions may then be asked about every image, and is false rather than failing.
type numbered struct {
	valid               bool
	major, minor, patch int64
	prerelease          string
}

// versionWords has a word that no expression begins with: they are reached through a call alone.
var versionWords = &objectType{
	word: "semver(...)", typ: types.NewObjectType("@semver"),
	fields: []field{
		boolField("valid", "whether it is a semantic version of three numbers", func(n *numbered) bool { return n.valid }),
		boolField("is_release", "whether it is a version, and no pre-release", func(n *numbered) bool { return n.valid && n.prerelease == "" }),
		boolField("is_prerelease", "whether it is a version that comes before its release, as 1.2.3-rc.1", func(n *numbered) bool { return n.prerelease != "" }),
		numberField("major", "the 1 of v1.2.3; 0 of what is no version", func(n *numbered) int64 { return n.major }),
		numberField("minor", "the 2 of v1.2.3; 0 of what is no version", func(n *numbered) int64 { return n.minor }),
		numberField("patch", "the 3 of v1.2.3; 0 of what is no version", func(n *numbered) int64 { return n.patch }),
		textField("prerelease", "the rc.1 of 1.2.3-rc.1; null of a release, and of what is no version", func(n *numbered) string { return n.prerelease }),
	},
}

func boolField[T any](name, doc string, get func(*T) bool) field {
	return field{name, types.BoolType, doc, from(func(source *T) ref.Val { return types.Bool(get(source)) })}
}

// semverOf is the function semver(), of a text or null.
func semverOf(text ref.Val) ref.Val {
	switch t := text.(type) {
	case types.Null:
		return newObject(versionWords, &numbered{})
	case types.String:
		return newObject(versionWords, parseNumbered(string(t)))
	}
	return types.MaybeNoSuchOverloadErr(text)
}

func parseNumbered(text string) *numbered {
	v, ok := version(text)
	if !ok {
		return &numbered{}
	}
	numbers, _, _ := strings.Cut(strings.TrimPrefix(semver.Canonical(v), "v"), "-")
	parts := strings.SplitN(numbers, ".", 3)
	return &numbered{
		valid: true, major: bounded(parts[0]), minor: bounded(parts[1]), patch: bounded(parts[2]),
		prerelease: strings.TrimPrefix(semver.Prerelease(v), "-"),
	}
}

// bounded reads digits. A version may have numbers of any length: what is beyond an int64 is the largest.
func bounded(digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
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
