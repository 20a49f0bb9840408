package policy

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// field is one word behind a dot: identity.username.
type field struct {
	name string
	typ  *types.Type
	doc  string
	// get makes the value from what the object was made of. null is absent.
	get func(source any) ref.Val
}

// objectType is the fields of one word, such as identity.
type objectType struct {
	word   string // how an expression reaches it: identity.certificate
	typ    *types.Type
	fields []field
}

// newObjectType gives the type a name that no expression can contain.
func newObjectType(word string, fields ...field) *objectType {
	return &objectType{word: word, typ: types.NewObjectType("@" + word), fields: fields}
}

func (t *objectType) names() []string {
	names := make([]string, len(t.fields))
	for i, f := range t.fields {
		names[i] = f.name
	}
	return names
}

// object is a value of an objectType. A field is made when a rule first reads it, and kept for the
// rules after that; so an object belongs to one decision, and to one goroutine.
type object struct {
	of      *objectType
	source  any
	made    []ref.Val
	unknown *unknown // nil = all is known
}

// unknown are the words whose values nobody knows, such as identity.client_ip.
type unknown struct {
	words []string
	// asked are those that has() was called with, which can say no more than true or false.
	asked []string
}

func newObject(of *objectType, source any) *object {
	return &object{of: of, source: source, made: make([]ref.Val, len(of.fields))}
}

func (o *object) field(i int) ref.Val {
	if o.made[i] == nil {
		o.made[i] = o.of.fields[i].get(o.source)
		if o.unknown != nil {
			o.made[i] = o.orUnknown(o.of.fields[i].name, o.made[i])
		}
	}
	return o.made[i]
}

// orUnknown replaces the value of a field that nobody knows by one that says so.
func (o *object) orUnknown(name string, value ref.Val) ref.Val {
	if word := o.of.word + "." + name; slices.Contains(o.unknown.words, word) {
		return types.NewUnknown(1, types.NewAttributeTrail(word))
	}
	if below, ok := value.(*object); ok {
		below.unknown = o.unknown
	}
	return value
}

// ConvertToNative is for ref.Val: nothing outside CEL needs an object.
func (o *object) ConvertToNative(to reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s is no %v", o.of.word, to)
}

func (o *object) ConvertToType(to ref.Type) ref.Val {
	if to == types.TypeType {
		return o.of.typ
	}
	return types.NewErr("%s is no %s", o.of.word, to.TypeName())
}

// Equal is for ref.Val: an object equals itself alone.
func (o *object) Equal(other ref.Val) ref.Val {
	return types.Bool(o == other)
}

func (o *object) Type() ref.Type { return o.of.typ }

func (o *object) Value() any { return o }

// document is the object as JSON has it: what is absent is null, and lists are always there.
func (o *object) document() map[string]any {
	values := map[string]any{}
	for i, f := range o.of.fields {
		switch v := o.field(i).(type) {
		case types.Null:
			values[f.name] = nil
		case *object:
			values[f.name] = v.document()
		case traits.Lister:
			values[f.name] = append([]string{}, v.Value().([]string)...)
		default:
			values[f.name] = v.Value()
		}
	}
	return values
}

// provider adds the types of objects to those that CEL has.
type provider struct {
	types.Provider
	objects map[string]*objectType // by the name of the type
}

func newProvider(standard types.Provider, objects ...*objectType) *provider {
	p := &provider{Provider: standard, objects: map[string]*objectType{}}
	for _, o := range objects {
		p.objects[o.typ.TypeName()] = o
	}
	return p
}

func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if o, ok := p.objects[name]; ok {
		return types.NewTypeTypeWithParam(o.typ), true
	}
	return p.Provider.FindStructType(name)
}

func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if o, ok := p.objects[name]; ok {
		return o.names(), true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p *provider) FindStructFieldType(name, wanted string) (*types.FieldType, bool) {
	of, ok := p.objects[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, wanted)
	}
	for i, f := range of.fields {
		if f.name == wanted {
			return &types.FieldType{Type: f.typ, IsSet: isSet(i), GetFrom: getFrom(of, i)}, true
		}
	}
	return nil, false
}

func isSet(i int) func(any) bool {
	return func(from any) bool {
		o, ok := from.(*object)
		if ok && o.unknown != nil && types.IsUnknown(o.field(i)) {
			o.unknown.asked = append(o.unknown.asked, o.of.word+"."+o.of.fields[i].name)
		}
		return ok && o.field(i) != types.NullValue
	}
}

func getFrom(of *objectType, i int) func(any) (any, error) {
	return func(from any) (any, error) {
		if o, ok := from.(*object); ok {
			value := o.field(i)
			if failed, ok := value.(*types.Err); ok {
				return nil, failed
			}
			return value, nil
		}
		return nil, fmt.Errorf("%s is null: it has no %s", of.word, of.fields[i].name)
	}
}
