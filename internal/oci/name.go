package oci

import (
	"fmt"
	"strings"
)

// maxNameLength bounds a name, in bytes: the specification has clients that take no longer ones.
const maxNameLength = 255

// Name is a namespace, the <name> of the distribution specification: "library/nginx". It is
// comparable; the zero value is no name.
type Name struct{ text }

// ParseName accepts the grammar of the distribution specification, else ErrNameInvalid.
func ParseName(s string) (Name, error) {
	if len(s) > maxNameLength {
		return Name{}, fmt.Errorf("%w: want at most %d bytes, got %d", ErrNameInvalid, maxNameLength, len(s))
	}
	for component := range strings.SplitSeq(s, "/") {
		if !isNameComponent(component) {
			return Name{}, fmt.Errorf("%w: want components of a-z and 0-9 with '.', '_', '__' or dashes between them, got %s",
				ErrNameInvalid, quote(s))
		}
	}
	return Name{text{s}}, nil
}

// Parent cuts the last component off; a name of one component has no parent.
func (n Name) Parent() (Name, bool) {
	i := strings.LastIndexByte(n.s, '/')
	if i < 0 {
		return Name{}, false
	}
	return Name{text{n.s[:i]}}, true
}

// Clone is the same name, which holds no memory of the text that it was parsed from.
func (n Name) Clone() Name { return Name{n.clone()} }

// UnmarshalText parses as ParseName does.
func (n *Name) UnmarshalText(text []byte) (err error) {
	*n, err = ParseName(string(text))
	return err
}

// Within tells whether n is the namespace above or lies below it. Everything lies within the zero one.
func (n Name) Within(above Name) bool {
	return above.IsZero() || n == above || strings.HasPrefix(n.String(), above.String()+"/")
}

// isNameComponent follows [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*.
func isNameComponent(s string) bool {
	if s == "" || !isLowerAlnum(s[0]) || !isLowerAlnum(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); {
		if isLowerAlnum(s[i]) {
			i++
			continue
		}
		n := separatorLength(s[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return true
}

// separatorLength is the length of the whole separator that s begins with, or 0 if it is none.
func separatorLength(s string) int {
	n := 0
	for n < len(s) && !isLowerAlnum(s[n]) {
		n++
	}
	switch separator := s[:n]; separator {
	case ".", "_", "__":
		return n
	default:
		if strings.Trim(separator, "-") == "" {
			return n
		}
		return 0
	}
}
