// Package oci holds the words of the OCI specifications as types: names, tags, digests, descriptors
// and manifests, each of which comes only from its parser.
// It promises that a value which exists is well-formed, so that the rest of sreg never checks again.
// It must not know where anything is stored, how it travels, or who asks for it.
package oci

import "strings"

// text is what names, tags and digests have in common. It is comparable, and the zero value is none.
type text struct{ s string }

func (t text) String() string { return t.s }

// IsZero tells whether this is none.
func (t text) IsZero() bool { return t.s == "" }

// MarshalText writes what String returns; the zero value is written as nothing.
func (t text) MarshalText() ([]byte, error) { return []byte(t.s), nil }

// clone holds no memory of the text that t was parsed from.
func (t text) clone() text { return text{strings.Clone(t.s)} }
