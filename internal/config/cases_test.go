package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/sreg-project/sreg/internal/document"
)

var update = flag.Bool("update", false, "rewrite the expected output of the cases, and the documentation")

const casesFolder = "../../testdata/config"

// loaderOnly begins the line of a case that says why no schema can know its mistake.
const loaderOnly = "loader only: "

// testCase is one file of the folder: its config files, environment and flags,
// and what loading them gives.
type testCase struct {
	path    string
	archive *txtar.Archive
	folder  string // where the case's files are laid out
	options Options
}

func (c *testCase) name() string {
	return strings.TrimSuffix(filepath.Base(c.path), ".txtar")
}

// readCase lays out the files of a case in a folder of their own.
func readCase(t *testing.T, path string) *testCase {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &testCase{path: path, archive: archive, folder: t.TempDir()}
	for _, file := range archive.Files {
		switch file.Name {
		case "want":
		case "env":
			c.options.Environ = lines(file.Data)
		case "flags":
			for _, line := range lines(file.Data) {
				c.options.Overrides = append(c.options.Overrides, readOverride(t, line))
			}
		default:
			c.layOut(t, file)
		}
	}
	if len(c.options.Files) == 0 {
		c.options.Folders = []string{c.folder}
	}
	return c
}

func (c *testCase) layOut(t *testing.T, file txtar.File) {
	t.Helper()
	path := filepath.Join(c.folder, file.Name)
	if err := os.WriteFile(path, file.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	// Files called sreg.* are there to be found; others are named.
	if isDocument(path) && !strings.HasPrefix(file.Name, "sreg.") {
		c.options.Files = append(c.options.Files, path)
	}
}

func isDocument(path string) bool {
	return slices.Contains(document.Extensions[:], filepath.Ext(path))
}

func lines(data []byte) []string {
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// readOverride reads a line of flags: the flag, its key, and a text or JSON.
func readOverride(t *testing.T, line string) Override {
	t.Helper()
	words := strings.SplitN(line, " ", 3)
	if len(words) != 3 {
		t.Fatalf("want FLAG KEY VALUE, got %q", line)
	}
	return Override{Flag: words[0], Key: words[1], Value: words[2]}
}

func allCases(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(casesFolder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d cases in %s: %v", len(paths), casesFolder, err)
	}
	return paths
}

// TestCases loads each case and compares what comes of it: the problems, or
// the keys that differ from the default and where they were given.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, path := range allCases(t) {
		c := readCase(t, path)
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			cfg, sources, err := Load(c.options)
			got := describe(cfg, sources)
			if err != nil {
				got = err.Error() + "\n"
			}
			got = strings.ReplaceAll(got, c.folder+string(filepath.Separator), "")
			c.compare(t, got)
		})
	}
}

func (c *testCase) compare(t *testing.T, got string) {
	t.Helper()
	i := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	if i < 0 {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: "want"})
		i = len(c.archive.Files) - 1
	}
	if *update {
		c.archive.Files[i].Data = []byte(got)
		if err := os.WriteFile(c.path, txtar.Format(c.archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(c.archive.Files[i].Data); got != want {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s\n(go test -update rewrites it)", c.archive.Comment, got, want)
	}
}

// describe lists what differs from the default, one key a line.
func describe(cfg *Config, sources Sources) string {
	if cfg == nil {
		return ""
	}
	values, standard := flatten(*cfg), flatten(Default())
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if values[key] != standard[key] {
			fmt.Fprintf(&b, "%s = %s (%s)\n", key, values[key], sources.Of(key))
		}
	}
	return b.String()
}

// flatten finds every single value by its key.
func flatten(cfg Config) map[string]string {
	found := map[string]string{}
	rootShape().values("", reflect.ValueOf(cfg), func(path string, s *shape, v reflect.Value) {
		if s.kind != list {
			found[path] = fmt.Sprint(written(s, v))
			return
		}
		for i := range v.Len() {
			found[fmt.Sprintf("%s[%d]", path, i)] = fmt.Sprint(written(s.item, v.Index(i)))
		}
	})
	return found
}

// TestSchemaAgreesWithLoader gives each file of each case to the schema, too.
func TestSchemaAgreesWithLoader(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	for _, path := range allCases(t) {
		c := readCase(t, path)
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			// The files alone: a schema knows neither environment nor flags.
			_, _, loadErr := Load(Options{Files: c.options.Files, Folders: c.options.Folders})
			schemaErr := c.judge(schema)
			excused := strings.Contains(string(c.archive.Comment), loaderOnly)
			switch {
			case loadErr == nil && schemaErr != nil:
				t.Errorf("the loader accepts what the schema refuses: %v", schemaErr)
			case loadErr != nil && schemaErr == nil && !excused:
				t.Errorf("the schema accepts what the loader refuses:\n%v\n(say %q and why, if no schema can know)", loadErr, loaderOnly)
			case excused && (loadErr == nil || schemaErr != nil):
				t.Errorf("%q is not true: loader says %v, schema says %v", loaderOnly, loadErr, schemaErr)
			}
		})
	}
}

// judge gives each config file of the case to the schema.
func (c *testCase) judge(schema *jsonschema.Schema) error {
	for _, file := range c.archive.Files {
		if !isDocument(file.Name) {
			continue
		}
		if err := judgeDocument(schema, file.Name, file.Data); err != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	return nil
}

// judgeDocument parses a document as any tool would, and validates it.
func judgeDocument(schema *jsonschema.Schema, name string, content []byte) error {
	var v any
	var err error
	switch filepath.Ext(name) {
	case ".json":
		err = json.Unmarshal(content, &v)
	case ".toml":
		var tables map[string]any
		err, v = toml.Unmarshal(content, &tables), tables
	default:
		err = yaml.Unmarshal(content, &v)
	}
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	return schema.Validate(instance)
}

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	encoded, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("sreg.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("sreg.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
