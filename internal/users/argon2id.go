package users

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	argon2idPrefix = "$argon2id$"
	saltSize       = 16 // bytes
	sumSize        = 32
)

// argon2id is a hash, and what it was made with (RFC 9106).
type argon2id struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
	salt    string // raw bytes
	sum     string // raw bytes
}

// preferred is what new hashes are made with: the second recommended option of RFC 9106, section 4 (three
// passes over 64 MiB, a salt of 128 bits, a sum of 256), with one thread instead of four. The work, which is
// what guessing costs, is the same. One hash keeps one core busy, so a limit on how many are made at a time
// leaves the other cores to other requests.
var preferred = argon2id{memory: 64 << 10, passes: 3, threads: 1}

// The bounds of a hash that another program has made. The least work is what OWASP advises, whatever the
// memory; the most work is five times that of preferred, which takes about a second.
const (
	minMemory, maxMemory = 7 << 10, 256 << 10 // KiB
	minWork, maxWork     = 35 << 10, 1 << 20  // KiB times passes
	maxPasses            = 128
	maxThreads           = 4 // as the RFC recommends
	minSalt, maxSalt     = 8, 64
	minSum, maxSum       = 16, 64
)

// key derives the sum of a password.
func (a argon2id) key(password string, size int) string {
	return string(argon2.IDKey([]byte(password), []byte(a.salt), a.passes, a.memory, a.threads, uint32(size)))
}

// text is the PHC string.
func (a argon2id) text() string {
	return fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$%s$%s", argon2idPrefix, argon2.Version, a.memory, a.passes, a.threads,
		base64.RawStdEncoding.EncodeToString([]byte(a.salt)), base64.RawStdEncoding.EncodeToString([]byte(a.sum)))
}

// parseArgon2id reads a PHC string, and accepts no other way to write the same hash.
func parseArgon2id(text string) (argon2id, error) {
	version, rest, _ := strings.Cut(strings.TrimPrefix(text, argon2idPrefix), "$")
	if version != fmt.Sprintf("v=%d", argon2.Version) {
		return argon2id{}, fmt.Errorf("the Argon2id hash has another version than %d%s", argon2.Version, setAgain)
	}
	fields := strings.Split(rest, "$")
	if len(fields) != 3 {
		return argon2id{}, errArgon2idForm
	}
	a, err := parseCost(fields[0])
	if err != nil {
		return argon2id{}, err
	}
	if a.salt, err = decode("salt", fields[1], minSalt, maxSalt); err != nil {
		return argon2id{}, err
	}
	if a.sum, err = decode("hash", fields[2], minSum, maxSum); err != nil {
		return argon2id{}, err
	}
	if a.text() != text {
		return argon2id{}, errArgon2idForm
	}
	return a, nil
}

var errArgon2idForm = errors.New("the Argon2id hash is malformed, want $argon2id$v=19$m=65536,t=3,p=1$salt$hash in base64 without padding" + setAgain)

// parseCost reads m=65536,t=3,p=1.
func parseCost(text string) (argon2id, error) {
	var numbers [3]uint64
	parameters := strings.Split(text, ",")
	if len(parameters) != len(numbers) {
		return argon2id{}, errArgon2idForm
	}
	for i, key := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(parameters[i], key)
		n, err := strconv.ParseUint(digits, 10, 31) // no product of two overflows
		if !ok || err != nil {
			return argon2id{}, errArgon2idForm
		}
		numbers[i] = n
	}
	memory, passes, threads := numbers[0], numbers[1], numbers[2]
	work := memory * passes
	switch {
	case threads < 1 || threads > maxThreads:
		return argon2id{}, fmt.Errorf("the Argon2id hash has p=%d, want 1 to %d%s", threads, maxThreads, setAgain)
	case memory < minMemory || work < minWork:
		return argon2id{}, fmt.Errorf("the Argon2id hash is too cheap with m=%d,t=%d, want at least m=%d and m*t=%d%s",
			memory, passes, minMemory, minWork, setAgain)
	case memory > maxMemory || passes > maxPasses || work > maxWork:
		return argon2id{}, fmt.Errorf("the Argon2id hash is too expensive with m=%d,t=%d, want at most m=%d, t=%d and m*t=%d%s",
			memory, passes, maxMemory, maxPasses, maxWork, setAgain)
	}
	return argon2id{memory: uint32(memory), passes: uint32(passes), threads: uint8(threads)}, nil
}

func decode(what, text string, least, most int) (string, error) {
	// The length is checked first, so that a text that is far too long is not decoded.
	if size := base64.RawStdEncoding.DecodedLen(len(text)); size < least || size > most {
		return "", fmt.Errorf("the Argon2id hash has a %s of %d bytes, want %d to %d%s", what, size, least, most, setAgain)
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return "", errArgon2idForm
	}
	return string(raw), nil
}
