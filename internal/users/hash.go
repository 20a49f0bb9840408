package users

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxPassword bounds a password, in bytes: a hash of more is work for nothing.
const maxPassword = 1024

// Hash is the hash of a password: Argon2id, or bcrypt as the htpasswd files of other registries have it.
// It comes from ParseHash or NewHash; the zero value is no hash, and no password matches it. It is comparable,
// and never prints: whoever has it can guess the password without asking the server.
type Hash struct {
	text   string
	argon2 argon2id // the zero value for bcrypt
	bcrypt int      // the cost; 0 for Argon2id
}

// ParseHash accepts Argon2id in the PHC string format ($argon2id$v=19$m=65536,t=3,p=1$salt$hash) and
// bcrypt ($2a$, $2b$, $2y$), each within bounds: one that is too cheap does not protect the password, and one
// that is too expensive would let whoever writes the file overload the server. The error never repeats the
// text, which may be a password in the wrong place.
func ParseHash(text string) (Hash, error) {
	switch {
	case strings.HasPrefix(text, argon2idPrefix):
		params, err := parseArgon2id(text)
		if err != nil {
			return Hash{}, err
		}
		return Hash{text: text, argon2: params}, nil
	case isBcrypt(text):
		cost, err := parseBcrypt(text)
		if err != nil {
			return Hash{}, err
		}
		return Hash{text: text, bcrypt: cost}, nil
	default:
		return Hash{}, refuse(text)
	}
}

// NewHash hashes a password with Argon2id and a salt of its own. It takes about a tenth of a second and
// 64 MiB.
func NewHash(password string) (Hash, error) {
	if err := checkPassword(password); err != nil {
		return Hash{}, err
	}
	a := preferred
	a.salt = randomBytes(saltSize)
	a.sum = a.key(password, sumSize)
	return Hash{text: a.text(), argon2: a}, nil
}

// checkPassword refuses what cannot be sent by HTTP Basic (RFC 7617, section 2) and what is probably a mistake.
// What is easy to guess is reported by Weaknesses.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("the password has %d bytes, at most %d are possible", len(password), maxPassword)
	case !utf8.ValidString(password):
		return errors.New("the password is no UTF-8 text")
	case strings.ContainsFunc(password, isControl):
		return errors.New("the password contains a control character, such as a line break")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Verify compares a password with the hash, in a time that does not depend on how much of it is right.
func (h Hash) Verify(password string) bool {
	switch {
	case password == "" || len(password) > maxPassword:
		// This is the same for every hash, so its time says nothing about the user.
		return false
	case h.bcrypt != 0:
		return verifyBcrypt(h.text, password)
	case h.text != "":
		return subtle.ConstantTimeCompare([]byte(h.argon2.key(password, len(h.argon2.sum))), []byte(h.argon2.sum)) == 1
	}
	return false
}

// Rehash says that the hash is weaker than the ones that NewHash makes: its owner should set the password
// again.
func (h Hash) Rehash() bool {
	return h.bcrypt != 0 || h.argon2.memory < preferred.memory || h.argon2.passes < preferred.passes ||
		len(h.argon2.salt) < saltSize || len(h.argon2.sum) < sumSize
}

// Algorithm is argon2id or bcrypt, and empty for no hash.
func (h Hash) Algorithm() string {
	switch {
	case h.bcrypt != 0:
		return "bcrypt"
	case h.text != "":
		return "argon2id"
	default:
		return ""
	}
}

// IsZero tells whether this is no hash.
func (h Hash) IsZero() bool { return h.text == "" }

// Reveal gives the text of the hash away.
func (h Hash) Reveal() string { return h.text }

// String shows the algorithm alone.
func (h Hash) String() string {
	if h.IsZero() {
		return ""
	}
	return h.Algorithm() + " ***"
}

// Format is String, for every verb.
func (h Hash) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, h.String()) // a fmt.State never fails
}

// MarshalText is String, for JSON, slog and everything else that encodes.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

func randomBytes(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the process first
	return string(b)
}

// refuse is the error for a text that is no hash of a kind that is accepted: what it is, and what to do.
func refuse(text string) error {
	if text == "" {
		return errors.New("there is no hash" + setAgain)
	}
	for _, weak := range []struct{ prefix, name string }{
		{"$apr1$", "MD5 as Apache has it (apr1)"},
		{"$1$", "MD5 of crypt"},
		{"$5$", "SHA-256 of crypt"},
		{"$6$", "SHA-512 of crypt"},
		{"{SHA}", "SHA-1"},
		{"{SSHA}", "SHA-1 with a salt"},
		{"$2x$", "bcrypt of a version that is broken"},
		{"$2$", "bcrypt of a version that is broken"},
		{"$argon2i$", "Argon2i"},
		{"$argon2d$", "Argon2d"},
	} {
		if strings.HasPrefix(text, weak.prefix) {
			return fmt.Errorf("the hash is %s, want Argon2id or bcrypt%s", weak.name, setAgain)
		}
	}
	if strings.HasPrefix(text, "$") {
		return errors.New("the hash is of an unknown kind, want Argon2id or bcrypt" + setAgain)
	}
	return errors.New("this is no hash but a password, or DES of crypt; want Argon2id or bcrypt" + setAgain)
}

// setAgain is what to do about a hash that is not accepted.
const setAgain = ": set the password again"
