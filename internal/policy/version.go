package policy

import (
	"strconv"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"golang.org/x/mod/semver"
)

// versionParts is what semver() makes of a text. A text that is no version, and null, give the zero value: a
// rule about versions may then be asked about every image, and is false rather than failing.
type versionParts struct {
	valid               bool
	major, minor, patch int64
	prerelease          string
}

// versionWords are the fields of what semver() returns; no expression begins with them.
var versionWords = &objectType{
	word: "semver(...)", typ: types.NewObjectType("@semver"),
	fields: []field{
		boolField("valid", "whether it is a semantic version of three numbers", func(n *versionParts) bool { return n.valid }),
		boolField("is_release", "whether it is a version, and no pre-release", func(n *versionParts) bool { return n.valid && n.prerelease == "" }),
		boolField("is_prerelease", "whether it is a version that comes before its release, as 1.2.3-rc.1", func(n *versionParts) bool { return n.prerelease != "" }),
		numberField("major", "the 1 of v1.2.3; 0 of what is no version", func(n *versionParts) int64 { return n.major }),
		numberField("minor", "the 2 of v1.2.3; 0 of what is no version", func(n *versionParts) int64 { return n.minor }),
		numberField("patch", "the 3 of v1.2.3; 0 of what is no version", func(n *versionParts) int64 { return n.patch }),
		textField("prerelease", "the rc.1 of 1.2.3-rc.1; null of a release, and of what is no version", func(n *versionParts) string { return n.prerelease }),
	},
}

func boolField[T any](name, doc string, get func(*T) bool) field {
	return field{name, types.BoolType, doc, from(func(source *T) ref.Val { return types.Bool(get(source)) })}
}

// semverOf is the function semver(), of a text or null.
func semverOf(text ref.Val) ref.Val {
	t, _ := text.(types.String)
	v, ok := version(string(t))
	if !ok {
		return newObject(versionWords, &versionParts{})
	}
	numbers, _, _ := strings.Cut(strings.TrimPrefix(semver.Canonical(v), "v"), "-")
	parts := strings.SplitN(numbers, ".", 3)
	return newObject(versionWords, &versionParts{
		valid: true, major: atMost(parts[0]), minor: atMost(parts[1]), patch: atMost(parts[2]),
		prerelease: strings.TrimPrefix(semver.Prerelease(v), "-"),
	})
}

// atMost reads digits. A version may have numbers of any length: what is beyond an int64 is the largest.
func atMost(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64) // the error leaves the largest
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
