package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// What the annotations of a manifest that is pushed may have, and an object in it that sreg reads.
const (
	// maxShown bounds annotations that are shown among others, in bytes: those of a descriptor, and of a manifest with a
	// subject, which its referrers list.
	maxShown   = 256 << 10
	maxMembers = 1000
	// maxMediaType is how long the type of an artifact may be that is shown among others (RFC 6838, 4.2).
	maxMediaType = 255
)

// Annotations are the annotations of a manifest or descriptor as JSON, an object of texts. They are read and not built,
// because few ask for them.
type Annotations []byte

// Map builds them.
func (a Annotations) Map() (map[string]string, error) {
	if len(a) == 0 {
		return nil, nil
	}
	var all map[string]string
	if err := json.Unmarshal(a, &all); err != nil {
		return nil, fmt.Errorf("read annotations: %w", err)
	}
	return all, nil
}

// MarshalJSON writes them as they are.
func (a Annotations) MarshalJSON() ([]byte, error) { return json.RawMessage(a).MarshalJSON() }

// UnmarshalJSON keeps what it is given, and of null nothing.
func (a *Annotations) UnmarshalJSON(text []byte) error {
	*a = nil
	if string(text) != "null" {
		*a = bytes.Clone(text)
	}
	return nil
}

// Member finds a member of a JSON object by its key, and gives its value as it stands there; nil if there is none.
func Member(object []byte, key string) (value []byte, err error) {
	s := scanner{src: object}
	err = s.members(func(k []byte) error {
		s.peek()
		start := s.pos
		if err := s.skip(); err != nil {
			return err
		}
		if string(k) == key {
			value = object[start:s.pos]
		}
		return nil
	})
	return value, err
}

// annotations reads an object of texts. An annotation may be null, as others took it, which is an empty text.
func (r *reader) annotations() (Annotations, error) {
	r.peek()
	start, empty := r.pos, false
	err := r.object(func(key []byte) error {
		if r.null() {
			empty = true
			return nil
		}
		_, err := r.raw()
		return atKey(key, err)
	})
	if err != nil {
		return nil, err
	}
	text := Annotations(r.src[start:r.pos])
	if !empty {
		return text, nil
	}
	all, err := text.Map()
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// shown bounds annotations that are shown among others.
func (a Annotations) shown() error {
	if len(a) > maxShown {
		return at("annotations", fmt.Errorf("want at most %d bytes where they are shown among others, got %d", maxShown, len(a)))
	}
	return nil
}

// textList reads a list of texts, and gives it as it stands there; nil if it has none.
func (r *reader) textList() (json.RawMessage, error) {
	r.peek()
	start, some := r.pos, false
	err := r.array(func(i int) error {
		some = true
		_, err := r.raw()
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		return nil
	})
	if err != nil || !some {
		return nil, err
	}
	return json.RawMessage(r.src[start:r.pos]), nil
}
