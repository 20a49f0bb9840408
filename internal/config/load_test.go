package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/secret"
)

func write(t *testing.T, folder, name, content string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUnreadableDocuments holds what a readable case file cannot.
func TestUnreadableDocuments(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	cases := []struct{ name, path, want string }{
		{"a missing file is named", filepath.Join(folder, "none.yaml"), "none.yaml: open: no such file or directory"},
		{"a folder is no file", write(t, folder, "folder.yaml/x", "")[:len(folder)+len("/folder.yaml")], "folder.yaml: read: is a directory"},
		{"an unknown extension is refused", write(t, folder, "sreg.conf", "{}"), "sreg.conf: want a file that ends in .yaml, .yml, .toml or .json"},
		{"a huge file is refused", write(t, folder, "huge.yaml", strings.Repeat("#", limits.Bytes+1)), "huge.yaml: the file is over 1048576 bytes"},
		{"bytes that are no text are refused where they stand", write(t, folder, "latin1.yaml", "log:\n  level: \"\xe9\"\n"), "latin1.yaml:2:11: the file is not UTF-8 text"},
		{"deep YAML is refused", write(t, folder, "deep.yaml", deep), "deep.yaml:1:65: nested deeper than 64 levels"},
		{"deep JSON is refused", write(t, folder, "deep.json", deep), "deep.json:1:65: nested deeper than 64 levels"},
		{"deep TOML is refused", write(t, folder, "deep.toml", "a = "+deep), "deep.toml:1:1: nested deeper than 64 levels"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(Options{Files: []string{tc.path}})
			if err == nil {
				t.Fatal("loaded without an error")
			}
			if got := strings.TrimPrefix(err.Error(), folder+"/"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestConfigIsFoundInTheFirstFolderThatHasOne(t *testing.T) {
	t.Parallel()
	empty, first, second := t.TempDir(), t.TempDir(), t.TempDir()
	want := write(t, first, "sreg.toml", "[log]\nlevel = \"debug\"\n")
	write(t, second, "sreg.yaml", "log: {level: error}\n")
	missing := filepath.Join(empty, "missing")
	cfg, sources, err := Load(Options{Folders: []string{missing, empty, first, second}})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources.Files) != 1 || sources.Files[0] != want || cfg.Log.Level != "debug" {
		t.Errorf("read %v with level %s, want %s with level debug", sources.Files, cfg.Log.Level, want)
	}
}

func TestNamedFilesKeepOthersFromBeingLookedFor(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write(t, folder, "sreg.yaml", "log: {level: error}\n")
	named := write(t, folder, "named.yaml", "log: {format: json}\n")
	cfg, _, err := Load(Options{Folders: []string{folder}, Files: []string{named}})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Log.Level != "info" || cfg.Log.Format != "json" {
		t.Errorf("got level %s, format %s, want info and json", cfg.Log.Level, cfg.Log.Format)
	}
}

func TestDefaultIsValidAndWhatNoSourceGives(t *testing.T) {
	t.Parallel()
	cfg, sources, err := Load(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(*cfg, want) {
		t.Errorf("got %+v, want %+v", *cfg, want)
	}
	if got := sources.Of("server.http2").String(); got != "default" {
		t.Errorf("server.http2 came from %q, want default", got)
	}
}

func TestOriginOfWhatWasLeftOutIsTheSectionAround(t *testing.T) {
	t.Parallel()
	path := write(t, t.TempDir(), "a.yaml", "server:\n  listeners:\n    - {name: a, address: \"127.0.0.1:1\"}\n")
	_, sources, err := Load(Options{Files: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"server.listeners[0].address": path + ":3:26",
		"server.listeners[0].tls":     path + ":3:7",
		"server.http2":                path + ":2:3",
		"log.level":                   "default",
	} {
		if got := sources.Of(key).String(); got != want {
			t.Errorf("%s came from %s, want %s", key, got, want)
		}
	}
	for key, want := range map[string]string{
		"server":              path + ":2:3",
		"server.listeners[0]": path + ":3:7",
		"serv":                "default",
		"server.http2":        "default",
		"storage":             "default",
	} {
		if origin, given := sources.Below(key); origin.String() != want || given != (want != "default") {
			t.Errorf("below %s: got %s, %v, want %s", key, origin, given, want)
		}
	}
}

func TestAWrongOverrideIsAMistakeOfTheProgram(t *testing.T) {
	t.Parallel()
	_, _, err := Load(Options{Overrides: []Override{{Flag: "--x", Key: "no.such.key", Value: "1"}}})
	var mistakes *Error
	if err == nil || errors.As(err, &mistakes) {
		t.Errorf("setting no.such.key gave %v, want an error that is no *Error", err)
	}
}

// TestEachKeyHasItsOwnVariable guards against keys whose variables look alike,
// as a.b_c and a.b.c would.
func TestEachKeyHasItsOwnVariable(t *testing.T) {
	t.Parallel()
	keyOf := map[string]string{}
	take := func(key string) {
		name := variableOf(key)
		if other, taken := keyOf[name]; taken && other != key {
			t.Errorf("%s sets both %s and %s", name, other, key)
		}
		if foreign(name + "=1") {
			t.Errorf("%s is taken for somebody else's", name)
		}
		keyOf[name] = key
	}
	rootShape().walk("", func(path string, _ *shape) { take(path) })
	for _, key := range unsupported {
		take(key)
	}
}

// TestEachKeyIsWhole finds fields whose tags were forgotten.
func TestEachKeyIsWhole(t *testing.T) {
	t.Parallel()
	rootShape().walk("", func(path string, s *shape) {
		if s.key == "" || s.doc == "" || (s.kind == table && s.names == nil) {
			t.Errorf("%s: want the tags mapstructure and doc, and keys for a map: %+v", path, s)
		}
		if s.pattern != nil && s.want == "" {
			t.Errorf("%s: want the tag want beside pattern", path)
		}
		if unsupportedKey(path) {
			t.Errorf("%s is both known and named as not supported", path)
		}
		if s.file != (strings.HasSuffix(s.key, "_file") && s.kind == text) {
			t.Errorf("%s: want the tag config:\"file\" on the keys of files, which end in _file, and on no other", path)
		}
	})
}

// TestSecretsAreReadAndNeverShown stands in for a key that holds a secret.
func TestSecretsAreReadAndNeverShown(t *testing.T) {
	t.Parallel()
	const canary = "canary-51c7"
	folder := t.TempDir()
	file := write(t, folder, "password", canary+"\n")
	section := struct {
		Password secret.Value `mapstructure:"password" doc:"x"`
	}{}
	root := sectionShape(reflect.ValueOf(section), reflect.ValueOf(section))
	cases := []struct{ name, text, want, problem string }{
		{"a text is taken as it stands", `{"password": "` + canary + `"}`, canary, ""},
		{"a file is read", `{"password": "file:` + file + `"}`, canary, ""},
		{
			"an unreadable file is named", `{"password": "file:` + folder + `/none"}`, "",
			"a.json:1:14: password: read secret from file: stat " + folder + "/none: no such file or directory",
		},
		{"a wrong type is not shown", `{"password": ["` + canary + `"]}`, "", "a.json:1:14: password: want a text, got a list"},
		{"a number is not shown", `{"password": 517}`, "", "a.json:1:14: password: want a text or file:/path"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLoader()
			l.root = root
			l.addDocument("a.json", []byte(tc.text))
			err := l.found.err()
			if tc.problem != "" {
				if err == nil || err.Error() != tc.problem {
					t.Errorf("got %v, want %s", err, tc.problem)
				}
				return
			}
			got, ok := l.viper.Get("password").(secret.Value)
			if err != nil || !ok || got.Reveal() != tc.want {
				t.Errorf("got %v, %v, want %q", got.Reveal(), err, tc.want)
			}
		})
	}
}

// TestSecretsMayBeLeftOut is for commands that need none, where the files of secrets are missing.
func TestSecretsMayBeLeftOut(t *testing.T) {
	t.Parallel()
	section := struct {
		Password secret.Value `mapstructure:"password" doc:"x"`
	}{}
	l := newLoader()
	l.root, l.withoutSecrets = sectionShape(reflect.ValueOf(section), reflect.ValueOf(section)), true
	l.addDocument("a.yaml", []byte("password: file:/no/such/file\n"))
	if err := l.found.err(); err != nil {
		t.Errorf("got %v, want that the file is not read", err)
	}
	l.addDocument("a.yaml", []byte("password: [a]\n"))
	if err := l.found.err(); err != nil && strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("got %v", err)
	}
}

// TestWhatServeAcceptsLoadsWithoutSecrets loads each valid case as the commands do that look after the data,
// test policies and edit users: on a machine without the files that the config names.
func TestWhatServeAcceptsLoadsWithoutSecrets(t *testing.T) {
	t.Parallel()
	valid := 0
	for _, path := range allCases(t) {
		c := readCase(t, path)
		if _, _, err := Load(c.options); err != nil {
			continue
		}
		valid++
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			for _, file := range c.archive.Files {
				if !isDocument(file.Name) {
					_ = os.Remove(filepath.Join(c.folder, file.Name)) // want and env were never written
				}
			}
			c.options.WithoutSecrets = true
			if _, _, err := Load(c.options); err != nil {
				t.Errorf("serve accepts it, and without secrets: %v", err)
			}
		})
	}
	if valid < 20 {
		t.Errorf("got %d valid cases, want all of the folder", valid)
	}
}

// TestASecretOfTheConfigItselfIsCheckedWithoutSecrets wants the same answer from every command.
func TestASecretOfTheConfigItselfIsCheckedWithoutSecrets(t *testing.T) {
	t.Parallel()
	for hash, want := range map[string]string{
		"hunter22":             "auth.users[0].password_hash: this is no hash but a password",
		"file:/no/such/file":   "",
		"517":                  "auth.users[0].password_hash: want a text or file:/path",
		"$2y$05$" + bcryptRest: "",
	} {
		text := "auth: {users: [{name: alice, password_hash: " + hash + "}]}\n"
		_, _, err := Load(Options{Files: []string{write(t, t.TempDir(), "sreg.yaml", text)}, WithoutSecrets: true})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", hash, err, want)
		}
	}
}

const bcryptRest = "/N3n9u5AYFFcOiEOKLtxL.KJ1ClCGN/8ZZk/eKZDbO0OEa5sAKBWm"

func TestAnErrorInAPolicyOfManyRulesIsClear(t *testing.T) {
	t.Parallel()
	text := "policy:\n  rules:\n" + strings.Repeat("    - identity.username != null\n", 10_001)
	_, _, err := Load(Options{Files: []string{write(t, t.TempDir(), "sreg.yaml", text)}})
	if err == nil || !strings.Contains(err.Error(), "sreg.yaml:3:5: policy.rules: want at most 10000 rules, got 10001: ") {
		t.Errorf("got %v, want that there are too many rules", err)
	}
}
