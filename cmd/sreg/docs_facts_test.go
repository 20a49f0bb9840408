package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The tests of this file compare what the docs name with what is there.

func readPage(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var pageLink = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

func TestTheLinksOfTheDocsLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		for _, match := range pageLink.FindAllStringSubmatch(readPage(t, page), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), match[1])); err != nil {
				t.Errorf("%s: link to %s: %v", page, match[1], err)
			}
		}
	}
}

func TestTheReadmeLeadsToEveryPage(t *testing.T) {
	t.Parallel()
	readme := readPage(t, filepath.Join(repository, "README.md"))
	for _, page := range pages(t) {
		name := filepath.Base(page)
		if name != "README.md" && !strings.Contains(readme, "](docs/"+name+")") {
			t.Errorf("README.md has no link to docs/%s", name)
		}
	}
}

var (
	testName = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Za-z0-9]*)\(`)
)

func TestTheTestsThatTheDocsNameExist(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	err := filepath.WalkDir(repository, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, match := range testFunc.FindAllStringSubmatch(readPage(t, path), -1) {
			there[match[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages(t) {
		for _, match := range testName.FindAllStringSubmatch(readPage(t, page), -1) {
			if !there[match[1]] {
				t.Errorf("%s names %s, and there is no such test", page, match[1])
			}
		}
	}
}

var (
	// stepIn is how the walks name a function: `PutManifest` in `internal/registry/manifest.go`.
	stepIn   = regexp.MustCompile("`([A-Za-z]+)`\\s+in\\s+`([a-z]+/[a-z0-9/_.]+\\.go)`")
	goFile   = regexp.MustCompile("`([a-z]+/[a-z0-9/_.]+\\.go)`")
	arrowRow = regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\| ([^|]*) \\|")
)

func TestTheFunctionsThatTheDocsNameAreThere(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		text := readPage(t, page)
		for _, match := range goFile.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(repository, match[1])); err != nil {
				t.Errorf("%s names %s: %v", page, match[1], err)
			}
		}
		for _, match := range stepIn.FindAllStringSubmatch(text, -1) {
			declared := regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type |var |const |\t)` + match[1] + `\b`)
			if source := readPage(t, filepath.Join(repository, match[2])); !declared.MatchString(source) {
				t.Errorf("%s names %s, and %s does not declare it", page, match[1], match[2])
			}
		}
	}
}

// TestTheArrowsOfTheDocsAreThoseOfTheCode compares docs/architecture.md with internal/imports_test.go.
func TestTheArrowsOfTheDocsAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	documented := map[string]string{}
	for _, row := range arrowRow.FindAllStringSubmatch(readPage(t, filepath.Join(repository, "docs", "architecture.md")), -1) {
		may := strings.NewReplacer("`", "", "everything", "*", "nothing", "").Replace(row[2])
		documented[row[1]] = strings.TrimSpace(may)
	}
	allowed := allowedImports(t)
	for name, may := range allowed {
		if got, ok := documented[name]; !ok || got != may {
			t.Errorf("%s may import %q, docs/architecture.md says %q", name, may, got)
		}
	}
	for name := range documented {
		if _, ok := allowed[name]; !ok {
			t.Errorf("docs/architecture.md has a room %s, the table of allowed imports has none", name)
		}
	}
}

// allowedImports reads the table from the source of the test that keeps it.
func allowedImports(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, "internal", "imports_test.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "allowed" {
			return true
		}
		for _, element := range spec.Values[0].(*ast.CompositeLit).Elts {
			pair := element.(*ast.KeyValueExpr)
			table[unquote(t, pair.Key)] = unquote(t, pair.Value)
		}
		return false
	})
	if len(table) == 0 {
		t.Fatal("internal/imports_test.go has no table called allowed")
	}
	return table
}

func unquote(t *testing.T, n ast.Expr) string {
	t.Helper()
	text, err := strconv.Unquote(n.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestEveryDependencyIsExplained compares docs/dependencies.md with go.mod.
func TestEveryDependencyIsExplained(t *testing.T) {
	t.Parallel()
	direct := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(readPage(t, filepath.Join(repository, "go.mod")), -1) {
		direct[match[1]] = true
	}
	explained := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(readPage(t, filepath.Join(repository, "docs", "dependencies.md")), -1) {
		explained[match[1]] = true
	}
	for module := range direct {
		if !explained[module] {
			t.Errorf("%s is in go.mod and not in docs/dependencies.md", module)
		}
	}
	for module := range explained {
		if !direct[module] {
			t.Errorf("%s is in docs/dependencies.md and no direct dependency in go.mod", module)
		}
	}
}
