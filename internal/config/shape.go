package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/secret"
)

// kind is what a key holds.
type kind int

const (
	section    kind = iota // keys of its own
	list                   // items of one shape
	table                  // free names with values of one shape
	text                   // a string
	boolean                // true or false
	integer                // a whole number
	number                 // a number
	duration               // 30s
	size                   // 16MiB
	secretText             // a string, or file:/path
)

// maxInteger bounds every whole number: they count things that are held at once.
const maxInteger = 1<<31 - 1

// durationPattern is what is read as a duration: what timespan.Parse takes, but for
// signs.
const durationPattern = `^(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)d|(([0-9]+(\.[0-9]*)?|\.[0-9]+)d)?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$`

// shape is what the configuration may hold at one key, as the struct of the
// key's owner says. The loader, the JSON Schema and the documentation all read
// it, so that they cannot disagree.
type shape struct {
	key      string // the last word
	kind     kind
	doc      string
	fields   []*shape // of a section
	item     *shape   // of a list or table
	names    *regexp.Regexp
	enum     []string
	pattern  *regexp.Regexp
	want     string // what the pattern means, for people
	min, max *float64
	required bool
	optional bool     // a section that changes something by being there
	filled   bool     // a section that may not be empty: {} would read as the opposite of what it does
	file     bool     // a text that names a file which is read
	private  bool     // a file that nobody else should read
	restart  bool     // it takes effect when the program starts; every other key may change while it runs
	needs    []string // one of these conditions, such as locks.type=redis or .redirect=true, without which it has no effect
	index    []int    // of the field in the struct of its section
	short    string   // of a section: the key that a bare text stands for
	fallback any      // the default, of the field's Go type; nil if there is none
}

// rootShape is the shape of a whole configuration.
func rootShape() *shape {
	defaults, example := Default(), sample()
	return sectionShape(reflect.ValueOf(defaults), reflect.ValueOf(example))
}

// sectionShape reads a struct: the values of defaults are the defaults of its
// keys, and example shows what optional sections and list items begin with.
func sectionShape(defaults, example reflect.Value) *shape {
	s := &shape{kind: section}
	for i := range example.NumField() {
		field := example.Type().Field(i)
		if field.Tag.Get("mapstructure") == "-" {
			continue // no key sets it
		}
		var fallback reflect.Value
		if defaults.IsValid() {
			fallback = defaults.Field(i)
		}
		if field.Anonymous {
			for _, f := range sectionShape(fallback, example.Field(i)).fields { // its keys are this section's
				f.index = append([]int{i}, f.index...)
				s.fields = append(s.fields, f)
			}
			continue
		}
		f := fieldShape(field, fallback, example.Field(i))
		f.index = []int{i}
		s.fields = append(s.fields, f)
		if field.Tag.Get("short") != "" {
			s.short = f.key
		}
	}
	return s
}

func fieldShape(field reflect.StructField, defaults, example reflect.Value) *shape {
	optional := field.Type.Kind() == reflect.Pointer
	if optional {
		// What such a section holds by default, it holds only if it is there.
		defaults, example = example.Elem(), example.Elem()
	}
	s := typeShape(example.Type(), defaults, example)
	s.key = field.Tag.Get("mapstructure")
	s.doc = field.Tag.Get("doc")
	s.required = field.Tag.Get("required") != ""
	s.optional = optional
	if optional && s.kind != section {
		s.fallback = nil // left out, it says nothing; its example's value is no default
	}
	s.filled = field.Tag.Get("filled") != ""
	s.read(field.Tag.Get("config"))
	if needs := field.Tag.Get("needs"); needs != "" {
		s.needs = strings.Split(needs, ",")
	}
	if names := field.Tag.Get("keys"); names != "" {
		s.names = regexp.MustCompile(names)
	}
	limited := s
	if s.item != nil {
		limited = s.item
	}
	limited.limit(field.Tag)
	return s
}

// read takes the words of the tag config.
func (s *shape) read(words string) {
	for word := range strings.SplitSeq(words, ",") {
		switch word {
		case "file":
			s.file = true
		case "private":
			s.file, s.private = true, true
		case "restart":
			s.restart = true
			s.doc += " Needs a restart."
		}
	}
}

func typeShape(t reflect.Type, defaults, example reflect.Value) *shape {
	s := &shape{}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		s.kind = duration
	case t == reflect.TypeFor[bytesize.Size]():
		s.kind = size
	case t == reflect.TypeFor[secret.Value]():
		s.kind = secretText
	case t.Kind() == reflect.Struct:
		return sectionShape(defaults, example)
	case t.Kind() == reflect.Slice:
		s.kind = list
		item := reflect.Zero(t.Elem())
		if example.Len() > 0 {
			item = example.Index(0)
		}
		s.item = typeShape(t.Elem(), item, item)
	case t.Kind() == reflect.Map:
		s.kind = table
		s.item = typeShape(t.Elem(), reflect.Value{}, reflect.Zero(t.Elem()))
	default:
		s.kind = scalarKinds[t.Kind()]
	}
	if defaults.IsValid() {
		s.fallback = defaults.Interface()
	}
	return s
}

var scalarKinds = map[reflect.Kind]kind{
	reflect.String: text, reflect.Bool: boolean, reflect.Int: integer, reflect.Float64: number,
}

// limit reads from the tags what one value may be.
func (s *shape) limit(tag reflect.StructTag) {
	if enum := tag.Get("enum"); enum != "" {
		s.enum = strings.Split(enum, ",")
	}
	if pattern := tag.Get("pattern"); pattern != "" {
		s.pattern = regexp.MustCompile(pattern)
		s.want = tag.Get("want")
	}
	s.min, s.max = limitOf(tag.Get("min")), limitOf(tag.Get("max"))
	if s.kind == integer && s.max == nil {
		most := float64(maxInteger)
		s.max = &most
	}
}

func limitOf(s string) *float64 {
	if limit, err := strconv.ParseFloat(s, 64); err == nil {
		return &limit
	}
	return nil
}

// field finds a key of a section.
func (s *shape) field(key string) *shape {
	for _, f := range s.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

// walk visits every key below the shape in order, with its path: a list's items
// are at path[], a table's at path.NAME.
func (s *shape) walk(path string, visit func(path string, s *shape)) {
	for _, f := range s.fields {
		below := document.Join(path, f.key)
		visit(below, f)
		f.walk(below, visit)
		if f.item != nil {
			f.item.walk(below+"[]", visit)
		}
	}
}

// values visits every value that v holds at the keys of the shape, in order, with its path: elements of
// lists that are sections are visited key by key, those of other lists and of tables all at once.
func (s *shape) values(path string, v reflect.Value, visit func(path string, s *shape, v reflect.Value)) {
	v = reflect.Indirect(v)
	switch {
	case !v.IsValid(): // an optional section that is not there
	case s.kind == section:
		for _, f := range s.fields {
			f.values(document.Join(path, f.key), v.FieldByIndex(f.index), visit)
		}
	case s.kind == list && s.item.kind == section:
		for i := range v.Len() {
			s.item.values(fmt.Sprintf("%s[%d]", path, i), v.Index(i), visit)
		}
	default:
		visit(path, s, v)
	}
}

// expects says what a value must be, for people.
func (s *shape) expects() string {
	switch {
	case len(s.enum) > 0:
		return oneOf(s.enum)
	case s.want != "":
		return s.want
	}
	switch s.kind {
	case section, table:
		if s.short != "" {
			return "a text or a mapping"
		}
		return "a mapping"
	case list:
		return "a list"
	case boolean:
		return "true or false"
	case integer, number:
		return s.expectsNumber()
	case duration:
		return "a duration such as 30s"
	case size:
		return "a size such as 16MiB"
	default:
		return "a text"
	}
}

func (s *shape) expectsNumber() string {
	noun := "a number"
	if s.kind == integer {
		noun = "a whole number"
	}
	switch {
	case s.min != nil && s.max != nil:
		return fmt.Sprintf("%s from %s to %s", noun, plain(*s.min), plain(*s.max))
	case s.max != nil:
		return fmt.Sprintf("%s up to %s", noun, plain(*s.max))
	case s.min != nil:
		return fmt.Sprintf("%s of at least %s", noun, plain(*s.min))
	default:
		return noun
	}
}

func plain(f float64) string {
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// oneOf writes "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
