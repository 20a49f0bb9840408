package oci

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep objects and arrays may nest, so that no body exhausts the stack.
const maxDepth = 64

// scanner reads one JSON document in one pass. encoding/json accepts two equal keys and any case of a key, in
// which readers differ; this one refuses them. The source must be valid UTF-8.
type scanner struct {
	src   []byte
	pos   int
	depth int
	// bounded refuses an object of very many members whose keys are kept to find equal ones.
	bounded bool
}

// object calls member with each key, standing before its value, which member must consume. A key
// that occurs twice is an error.
func (s *scanner) object(member func(key []byte) error) error {
	var seen keySet
	count := 0
	return s.members(func(key []byte) error {
		if count++; s.bounded && count > maxMembers {
			return fmt.Errorf("offset %d: want at most %d members in an object, got more", s.pos, maxMembers)
		}
		if !seen.add(key) {
			return atKey(key, errors.New("want each key once, got it twice"))
		}
		return member(key)
	})
}

// members is object without the check for equal keys.
func (s *scanner) members(member func(key []byte) error) error {
	if err := s.open('{', "an object"); err != nil {
		return err
	}
	for first := true; ; first = false {
		if done, err := s.next('}', first); done || err != nil {
			return err
		}
		key, err := s.raw()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.unexpected("':'")
		}
		s.pos++
		if err := member(key); err != nil {
			return err
		}
	}
}

// array calls element with each index, standing before the value, which element must consume.
func (s *scanner) array(element func(i int) error) error {
	if err := s.open('[', "an array"); err != nil {
		return err
	}
	for i := 0; ; i++ {
		if done, err := s.next(']', i == 0); done || err != nil {
			return err
		}
		if err := element(i); err != nil {
			return err
		}
	}
}

func (s *scanner) open(bracket byte, what string) error {
	if s.peek() != bracket {
		return s.unexpected(what)
	}
	if s.depth == maxDepth {
		return fmt.Errorf("offset %d: want at most %d levels, got more", s.pos, maxDepth)
	}
	s.depth++
	s.pos++
	return nil
}

// next steps over the closing bracket, or over the comma before the next item.
func (s *scanner) next(bracket byte, first bool) (done bool, err error) {
	switch c := s.peek(); {
	case c == bracket:
		s.pos++
		s.depth--
		return true, nil
	case first:
		return false, nil
	case c == ',':
		s.pos++
		return false, nil
	}
	return false, s.unexpected("',' or '" + string(bracket) + "'")
}

// text reads a string.
func (s *scanner) text() (string, error) {
	b, err := s.raw()
	return string(b), err
}

// raw reads a string; what it returns lies in the source unless it held an escape.
func (s *scanner) raw() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unexpected("a string")
	}
	s.pos++
	start := s.pos
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			s.pos++
			return s.src[start : s.pos-1], nil
		case c == '\\':
			return s.escaped(bytes.Clone(s.src[start:s.pos]))
		case c < ' ':
			return nil, s.unexpected("no control character in a string")
		}
		s.pos++
	}
	return nil, s.unexpected("the end of a string")
}

// escaped reads on from the first escape of a string, of which it was given the beginning.
func (s *scanner) escaped(b []byte) ([]byte, error) {
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			s.pos++
			return b, nil
		case c < ' ':
			return nil, s.unexpected("no control character in a string")
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return nil, err
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
			s.pos++
		}
	}
	return nil, s.unexpected("the end of a string")
}

func (s *scanner) escape() (rune, error) {
	if s.pos+1 == len(s.src) {
		return 0, s.unexpected("an escape")
	}
	c := s.src[s.pos+1]
	if c == 'u' {
		return s.unicodeEscape()
	}
	i := bytes.IndexByte([]byte(`"\/bfnrt`), c)
	if i < 0 {
		return 0, s.unexpected("an escape of JSON")
	}
	s.pos += 2
	return rune("\"\\/\b\f\n\r\t"[i]), nil
}

// unicodeEscape refuses half a surrogate pair: readers differ in what they make of it.
func (s *scanner) unicodeEscape() (rune, error) {
	r, ok := s.unit(s.pos)
	if !ok {
		return 0, s.unexpected(`\u and four hex digits`)
	}
	if !utf16.IsSurrogate(r) {
		s.pos += 6
		return r, nil
	}
	low, ok := s.unit(s.pos + 6)
	pair := utf16.DecodeRune(r, low)
	if !ok || pair == utf8.RuneError {
		return 0, s.unexpected("a whole surrogate pair")
	}
	s.pos += 12
	return pair, nil
}

// unit reads the six bytes of one \uXXXX.
func (s *scanner) unit(pos int) (rune, bool) {
	if pos+6 > len(s.src) || s.src[pos] != '\\' || s.src[pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.src[pos+2 : pos+6] {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | digit
	}
	return r, true
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0'), true
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}

// integer reads a number without fraction and exponent.
func (s *scanner) integer() (int64, error) {
	if c := s.peek(); c != '-' && !isDigit(c) {
		return 0, s.unexpected("an integer")
	}
	start := s.pos
	if err := s.number(); err != nil {
		return 0, err
	}
	got := string(s.src[start:s.pos])
	n, err := strconv.ParseInt(got, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("want an integer of 64 bits, got %s", quote(got))
	}
	return n, nil
}

func (s *scanner) number() error {
	if s.sees('-') {
		s.pos++
	}
	if s.sees('0') {
		s.pos++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.sees('.') {
		s.pos++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if !s.sees('e') && !s.sees('E') {
		return nil
	}
	s.pos++
	if s.sees('+') || s.sees('-') {
		s.pos++
	}
	return s.digits()
}

func (s *scanner) digits() error {
	start := s.pos
	for s.pos < len(s.src) && isDigit(s.src[s.pos]) {
		s.pos++
	}
	if s.pos == start {
		return s.unexpected("a digit")
	}
	return nil
}

// null steps over a null, if one is next.
func (s *scanner) null() bool {
	return s.peek() == 'n' && s.literal("null") == nil
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.src[s.pos:], []byte(word)) {
		return s.unexpected(word)
	}
	s.pos += len(word)
	return nil
}

// skip steps over any value. It checks its form, but not for equal keys in what nobody reads.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '{':
		return s.members(func([]byte) error { return s.skip() })
	case '[':
		return s.array(func(int) error { return s.skip() })
	case '"':
		_, err := s.raw()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		if c == '-' || isDigit(c) {
			return s.number()
		}
		return s.unexpected("a value")
	}
}

// end sees that only white space follows.
func (s *scanner) end() error {
	s.peek()
	if s.pos < len(s.src) {
		return s.unexpected("the end of the document")
	}
	return nil
}

// peek steps over white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) sees(c byte) bool { return s.pos < len(s.src) && s.src[s.pos] == c }

func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.src) {
		return fmt.Errorf("offset %d: want %s, got the end", s.pos, want)
	}
	r, _ := utf8.DecodeRune(s.src[s.pos:])
	return fmt.Errorf("offset %d: want %s, got %q", s.pos, want, r)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// keySet holds the keys of one object: the first twelve without an allocation, the others in a map, so that an
// object of very many keys costs no quadratic time.
type keySet struct {
	few  [12][]byte
	n    int
	many map[string]struct{}
}

// add tells whether the key is new.
func (k *keySet) add(key []byte) bool {
	for _, seen := range k.few[:k.n] {
		if bytes.Equal(seen, key) {
			return false
		}
	}
	if k.n < len(k.few) {
		k.few[k.n] = key
		k.n++
		return true
	}
	if _, seen := k.many[string(key)]; seen {
		return false
	}
	if k.many == nil {
		k.many = map[string]struct{}{}
	}
	k.many[string(key)] = struct{}{}
	return true
}
