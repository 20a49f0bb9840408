// Package internal_test keeps the structure of the whole program.
// It promises that the picture in docs/architecture.md is the code's.
// It must not know what any package does.
package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sreg-project/sreg/"

// allowed says which internal packages each package may import, and above each group why.
var allowed = map[string]string{
	// Words know nothing.
	"oci":         "",
	"oci/ocitest": "oci",
	"access":      "oci",
	"secret":      "",
	"bytesize":    "",
	"timespan":    "",
	"setting":     "",

	// Mechanisms know bytes, not registries.
	"atomicfile":            "",
	"lru":                   "",
	"ratelimit":             "lru",
	"outbound":              "setting",
	"spelling":              "",
	"glob":                  "",
	"document":              "spelling",
	"watch":                 "",
	"lock":                  "secret",
	"lock/memory":           "lock",
	"lock/locktest":         "lock",
	"storage":               "secret bytesize",
	"storage/fs":            "storage atomicfile bytesize lru",
	"storage/memory":        "storage bytesize",
	"storage/s3":            "storage outbound secret setting bytesize lru",
	"storage/s3/s3test":     "storage/s3 secret bytesize",
	"redisclient":           "outbound secret setting",
	"redisclient/redistest": "",
	"cache":                 "bytesize",
	"cache/memory":          "bytesize cache lru",
	"cache/redis":           "cache redisclient",
	"lock/redis":            "lock lock/memory redisclient",
	"storage/metered":       "storage",
	"storage/faulty":        "storage",
	"storage/storagetest":   "storage",
	"telemetry":             "secret",

	// The core knows no HTTP, config or identity.
	"registry":              "oci storage lock lru bytesize",
	"registry/registrytest": "oci oci/ocitest storage registry",

	// Work over the core: it may use engines, and asks retention by one function.
	"gc":        "oci registry timespan",
	"gc/gctest": "gc lock/memory oci oci/ocitest registry registry/registrytest storage storage/fs storage/memory",
	"scrub":     "oci registry storage",

	// Engines know no store.
	"policy":            "oci access glob spelling",
	"policy/policytest": "access document oci policy spelling timespan",
	"webhook":           "outbound secret setting cache",
	"events":            "glob outbound secret",

	// Work over the core: it may use engines, never other work.
	"retention": "oci policy registry",

	// Who may: they know who asks and what is asked for, not what is stored.
	"users": "atomicfile",
	"authn": "access cache cache/memory lru outbound secret setting users",
	"authz": "access oci policy webhook",

	// Delivery knows people and wires, not where things lie.
	"router":              "access ratelimit",
	"httpapi":             "oci access registry router",
	"httpapi/httpapitest": "oci oci/ocitest",
	"server":              "bytesize ratelimit secret",

	// Composition knows all and decides nothing.
	"config":   "authn bytesize cache document gc secret lock oci policy redisclient registry retention server spelling storage storage/fs storage/s3 telemetry timespan webhook",
	"snapshot": "*",
	"commands": "*",

	// The benchmark is a client: it knows the program by its address only. Worlds alone know a layout: a
	// million blobs take hours by the network, so they are written as files into a store that the registry's
	// own code has given birth to.
	"bench": "bench/worlds", "bench/cmd/bench": "bench",
	"bench/worlds": "oci registry storage/fs", "bench/cmd/world": "bench/worlds",
}

// forbidden are imports that no package has, and why.
var forbidden = map[string]string{
	"unsafe": "a registry has no need to outsmart the compiler",
	"C":      "the binary is static and built without cgo",
}

// kits are for tests alone, also where a package may import everything.
var kits = []string{
	"gc/gctest", "httpapi/httpapitest", "lock/locktest", "oci/ocitest", "redisclient/redistest", "registry/registrytest",
	"storage/faulty", "storage/s3/s3test", "storage/storagetest",
}

// vague names say nothing about what a package is for.
var vague = []string{"util", "utils", "common", "helper", "helpers", "base", "misc", "shared"}

// goPackage is the non-test code of one folder.
type goPackage struct {
	name  string // relative to internal/, or commands
	doc   string
	files []*ast.File
}

func TestEveryImportIsAnArrowOfTheTable(t *testing.T) {
	for _, p := range packages(t) {
		list, known := allowed[p.name]
		if !known && !strings.HasPrefix(p.name, "cmd/") {
			t.Errorf("%s: not in the table; add it with what it may import", p.name)
			continue
		}
		may := strings.Fields(list)
		for _, path := range p.imports(t) {
			if reason, no := forbidden[path]; no {
				t.Errorf("%s imports %s: %s", p.name, path, reason)
			}
			to, internal := strings.CutPrefix(path, module+"internal/")
			if slices.Contains(kits, to) && !slices.Contains(kits, p.name) {
				t.Errorf("%s imports %s, which is for tests alone", p.name, to)
			}
			if internal && list != "*" && !slices.Contains(may, to) && !strings.HasPrefix(p.name, "cmd/") {
				t.Errorf("%s imports %s: no such arrow, it may import: %s", p.name, to, list)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsForPromisesAndMustNotKnow(t *testing.T) {
	for _, p := range packages(t) {
		if p.files[0].Name.Name == "main" {
			continue // a program says it in its help
		}
		sentences := strings.Count(strings.ReplaceAll(p.doc, "\n", " ")+" ", ". ")
		if sentences < 3 || !strings.HasPrefix(p.doc, "Package ") {
			t.Errorf("%s: got a package comment of %d sentences, want what it is for, what it promises, what it must not know:\n%s", p.name, sentences, p.doc)
		}
	}
}

func TestNoPackageHasAVagueName(t *testing.T) {
	for _, p := range packages(t) {
		if base := filepath.Base(p.name); slices.Contains(vague, base) {
			t.Errorf("%s: %q says nothing about what it is for", p.name, base)
		}
	}
}

func TestOnlyMainEndsTheProcess(t *testing.T) {
	for _, p := range packages(t) {
		if p.files[0].Name.Name == "main" {
			continue
		}
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				if selector, ok := n.(*ast.SelectorExpr); ok && selector.Sel.Name == "Exit" {
					if x, ok := selector.X.(*ast.Ident); ok && x.Name == "os" {
						t.Errorf("%s calls os.Exit, want an error that main turns into an exit code", p.name)
					}
				}
				return true
			})
		}
	}
}

func (p goPackage) imports(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, file := range p.files {
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// packages parses all non-test Go files below internal/, commands/ and cmd/.
func packages(t *testing.T) []goPackage {
	t.Helper()
	found := map[string]*goPackage{}
	for _, top := range []string{".", "../commands", "../cmd"} {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			return addFile(found, path)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 10 {
		t.Fatalf("got %d packages, want all of the program", len(found))
	}
	var list []goPackage
	for _, p := range found {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b goPackage) int { return strings.Compare(a.name, b.name) })
	return list
}

func addFile(found map[string]*goPackage, path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.ParseComments)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
	if found[name] == nil {
		found[name] = &goPackage{name: name}
	}
	p := found[name]
	p.files = append(p.files, file)
	p.doc += file.Doc.Text()
	return nil
}
