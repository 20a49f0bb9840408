package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/policy"
)

// limits are what one file may cost.
var limits = document.Limits{Bytes: 1 << 20, Values: 50_000}

// Options are what a configuration is loaded from, each over the one before.
type Options struct {
	Folders   []string   // where sreg.yaml, .yml, .toml or .json is looked for if there are no Files: the first folder that has one
	Files     []string   // read in this order, each over the one before
	Environ   []string   // os.Environ()
	Overrides []Override // flags

	// WithoutSecrets leaves out the secrets that are in files, but for those of stores and Redis; any of the
	// files may be missing.
	WithoutSecrets bool

	// Compiler compiles the rules; nil is one for this configuration alone.
	Compiler *policy.Compiler
}

// Sources says where a configuration came from.
type Sources struct {
	Files []string // that were read, in order

	given map[string]Origin
}

// Of is where the value of a key was given, or the nearest key above it that was.
func (s Sources) Of(key string) Origin {
	for key != "" {
		if origin, ok := s.given[key]; ok {
			return origin
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return Origin{}
}

// Below is where a key, or one below it, was given; and whether any was.
func (s Sources) Below(key string) (Origin, bool) {
	for _, one := range slices.Sorted(maps.Keys(s.given)) {
		if rest, found := strings.CutPrefix(one, key); found && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
			return s.given[one], true
		}
	}
	return Origin{}, false
}

// DefaultFolders are where a configuration is looked for: the working
// directory, the user's config folder, /etc/sreg.
func DefaultFolders() []string {
	folders := []string{"."}
	// Without a home there is no such folder, and nothing to look for in it.
	if user, err := os.UserConfigDir(); err == nil {
		folders = append(folders, filepath.Join(user, "sreg"))
	}
	return append(folders, "/etc/sreg")
}

// Load reads everything and returns a configuration that is whole and safe, or
// an *Error with all that is wrong with it.
func Load(o Options) (*Config, Sources, error) {
	l, sources, err := load(o)
	if err != nil {
		return nil, sources, err
	}
	cfg, err := l.finish(sources)
	return cfg, sources, err
}

// load reads everything. What is wrong with the values the loader knows.
func load(o Options) (*loader, Sources, error) {
	files, err := o.files()
	if err != nil {
		return nil, Sources{}, err
	}
	l := newLoader()
	l.withoutSecrets = o.WithoutSecrets
	if o.Compiler != nil {
		l.compiler = o.Compiler
	}
	for _, file := range files {
		l.addFile(file)
	}
	l.addEnviron(o.Environ)
	if err := l.addOverrides(o.Overrides); err != nil {
		return nil, Sources{}, err
	}
	return l, Sources{Files: files, given: l.given}, nil
}

// files are the files to read: those that were asked for, or the one in the
// first folder that has one.
func (o Options) files() ([]string, error) {
	if len(o.Files) > 0 {
		return o.Files, nil
	}
	for _, folder := range o.Folders {
		if found, err := findIn(folder); err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

// findIn finds the config file of a folder. Two are refused, because one of them
// would be ignored.
func findIn(folder string) ([]string, error) {
	var found []string
	for _, extension := range document.Extensions {
		file := filepath.Join(folder, "sreg"+extension)
		_, err := os.Stat(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fileError(file, reason(err))
		}
		found = append(found, file)
	}
	if len(found) > 1 {
		return nil, fileError(found[1], found[0]+" is there, too: keep one of them, or name the files with -c")
	}
	return found, nil
}

// fileError is a mistake in a file as a whole.
func fileError(file, message string) error {
	return &Error{Problems: []Problem{{Origin: Origin{Source: file}, Message: message}}}
}

// loader gathers what the sources give. Viper merges them. The values
// are checked against the shape before, because viper accepts anything.
type loader struct {
	root   *shape
	viper  *viper.Viper
	found  problems
	given  map[string]Origin
	layers int
	broken bool              // a file could not be read at all: what is missing may be in it
	texts  map[string][]byte // of the files, by their paths: an expression's mistakes are shown within it

	withoutSecrets bool
	unread         map[string]bool // the keys of secrets that were not read: nothing can be wrong with their texts
	compiler       *policy.Compiler
}

func newLoader() *loader {
	return &loader{root: rootShape(), viper: viper.New(), given: map[string]Origin{}, texts: map[string][]byte{}, unread: map[string]bool{}, compiler: policy.NewCompiler()}
}

// nextLayer numbers the sources in the order in which they are read.
func (l *loader) nextLayer(source string) Origin {
	l.layers++
	return Origin{Source: source, layer: l.layers}
}

func (l *loader) checker(origin func(document.Position) Origin) *checker {
	return &checker{loader: l, origin: origin, given: map[string]Origin{}}
}

func (l *loader) addFile(path string) {
	content, err := readFile(path)
	if err != nil {
		l.broken = true
		l.found = append(l.found, Problem{Origin: l.nextLayer(path), Message: reason(err)})
		return
	}
	l.addDocument(path, content)
}

// addDocument lays the content of a file over what was read.
func (l *loader) addDocument(path string, content []byte) {
	file := l.nextLayer(path)
	origin := func(at document.Position) Origin {
		o := file
		o.Line, o.Column = at.Line, at.Column
		return o
	}
	l.texts[path] = content
	root, err := document.Parse(path, content, limits)
	if err != nil {
		l.broken = true
		problem := Problem{Origin: file, Message: err.Error()}
		if syntax := (*document.SyntaxError)(nil); errors.As(err, &syntax) {
			problem.Origin = origin(syntax.At)
		}
		l.found = append(l.found, problem)
		return
	}
	c := l.checker(origin)
	if values, ok := c.value(l.root, root, ""); ok {
		l.merge(values.(map[string]any), c.given)
	}
}

// readFile reads a little more than a document may have, so that one that is
// too large is known as such.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(limits.Bytes)+1))
}

// reason is an error without the file's name, with which the message begins already.
func reason(err error) string {
	if failure := (*os.PathError)(nil); errors.As(err, &failure) {
		return fmt.Sprintf("%s: %v", failure.Op, failure.Err)
	}
	return err.Error()
}

// merge lays values over those that were read before.
func (l *loader) merge(values map[string]any, given map[string]Origin) {
	// Viper's merge of a map never fails.
	_ = l.viper.MergeConfigMap(values)
	for path := range given {
		// A list is replaced whole: nothing of the one before is left.
		if s := l.root.find(path); s != nil && s.kind == list {
			maps.DeleteFunc(l.given, func(p string, _ Origin) bool { return strings.HasPrefix(p, path+"[") })
		}
	}
	maps.Copy(l.given, given)
}

// finish makes the configuration, if nothing is wrong with it.
func (l *loader) finish(sources Sources) (*Config, error) {
	cfg, err := l.decode()
	if err != nil {
		return nil, err
	}
	if !l.broken {
		l.validate(cfg, sources)
	}
	if err := l.found.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// decode lays what was given over the defaults.
func (l *loader) decode() (*Config, error) {
	l.root.walk("", func(path string, s *shape) {
		if !s.optional || strings.Contains(path, "[]") {
			return
		}
		// An empty section is the same as none: {} switches it off.
		if given, ok := l.viper.Get(path).(map[string]any); ok && len(given) > 0 {
			l.viper.Set(path, s.complete(given))
		}
	})
	cfg := Default()
	err := l.viper.Unmarshal(&cfg, func(d *mapstructure.DecoderConfig) {
		d.WeaklyTypedInput = false
		d.ErrorUnused = true
		d.ZeroFields = true // a list replaces the default one
	})
	if err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	return &cfg, nil
}
