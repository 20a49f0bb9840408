package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/timespan"
)

// jsonSchema is the part of JSON Schema 2020-12 that describes a configuration.
type jsonSchema struct {
	Schema        string                 `json:"$schema,omitempty"`
	Title         string                 `json:"title,omitempty"`
	Description   string                 `json:"description,omitempty"`
	Type          any                    `json:"type,omitempty"` // a word or several
	Enum          []string               `json:"enum,omitempty"`
	Pattern       string                 `json:"pattern,omitempty"`
	AllOf         []jsonSchema           `json:"allOf,omitempty"`
	AnyOf         []jsonSchema           `json:"anyOf,omitempty"`
	Minimum       *float64               `json:"minimum,omitempty"`
	Maximum       *float64               `json:"maximum,omitempty"`
	Items         *jsonSchema            `json:"items,omitempty"`
	MinProperties int                    `json:"minProperties,omitempty"`
	Required      []string               `json:"required,omitempty"`
	Properties    map[string]*jsonSchema `json:"properties,omitempty"`
	PropertyNames *jsonSchema            `json:"propertyNames,omitempty"`
	Additional    any                    `json:"additionalProperties,omitempty"` // false, or a schema
	Default       any                    `json:"default,omitempty"`
}

// Schema is the JSON Schema of a configuration file. It describes what Load
// accepts, but for what a schema cannot say: values that must fit together.
func Schema() ([]byte, error) {
	s := rootShape().schema()
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "sreg configuration"
	s.Type = []string{"object", "null"} // an empty YAML file is null
	encoded, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(encoded, '\n'), nil
}

func (s *shape) schema() *jsonSchema {
	described := &jsonSchema{Description: s.doc, Enum: s.enum, Default: s.defaultValue()}
	if s.pattern != nil {
		described.Pattern = s.pattern.String()
	}
	switch s.kind {
	case section:
		s.describeSection(described)
	case list:
		described.Type, described.Items = "array", s.item.schema()
	case table:
		described.Type, described.Additional = "object", s.item.schema()
		described.PropertyNames = &jsonSchema{Pattern: s.names.String()}
	case boolean:
		described.Type = "boolean"
	case integer, number:
		described.Type = map[kind]string{integer: "integer", number: "number"}[s.kind]
		described.Minimum, described.Maximum = s.min, s.max
	case duration:
		s.describeUnits(described, durationPattern)
	case size:
		s.describeUnits(described, bytesize.Pattern)
	default:
		described.Type = "string"
	}
	return described
}

func (s *shape) describeSection(described *jsonSchema) {
	described.Type, described.Default = "object", nil
	described.Additional = false
	described.Properties = map[string]*jsonSchema{}
	for _, f := range s.fields {
		described.Properties[f.key] = f.schema()
		if f.required {
			described.Required = append(described.Required, f.key)
		}
	}
	if s.filled {
		described.MinProperties = 1
	}
	if s.short != "" {
		whole := *described
		whole.Description = ""
		*described = jsonSchema{Description: s.doc, AnyOf: []jsonSchema{{Type: "string"}, whole}}
	}
}

// describeUnits describes a text with a unit; 0 needs none.
func (s *shape) describeUnits(described *jsonSchema, pattern string) {
	described.Pattern = pattern
	if s.min != nil {
		described.Type = "string"
		described.AllOf = []jsonSchema{{Pattern: "[1-9]"}}
		return
	}
	zero := 0.0
	described.Type = []string{"string", "integer"}
	described.Minimum, described.Maximum = &zero, &zero // these bind numbers alone, as pattern binds texts
}

// defaultValue is the default as a file would hold it; nil if there is none to
// speak of.
func (s *shape) defaultValue() any {
	if s.fallback == nil || s.required {
		return nil
	}
	v := reflect.ValueOf(s.fallback)
	if v.IsZero() && (s.kind == list || s.kind == table || s.kind == text || s.kind == secretText) {
		return nil
	}
	return written(s, v)
}

// written is a value as a file would hold it, without the parts that say nothing.
func written(s *shape, v reflect.Value) any {
	switch s.kind {
	case section:
		values := map[string]any{}
		for _, f := range s.fields {
			if field := v.FieldByIndex(f.index); !field.IsZero() {
				values[f.key] = written(f, reflect.Indirect(field))
			}
		}
		return values
	case list:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = written(s.item, v.Index(i))
		}
		return items
	case secretText:
		return v.Interface().(secret.Value).String()
	case duration:
		return timespan.Text(time.Duration(v.Int()))
	case size:
		return bytesize.Size(v.Int()).String()
	default:
		return v.Interface()
	}
}
