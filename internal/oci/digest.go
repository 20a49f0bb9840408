package oci

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// Algorithm is a hash function that digests may use.
type Algorithm string

// The algorithms that the image specification registers, and that sreg computes.
const (
	SHA256 Algorithm = "sha256"
	SHA512 Algorithm = "sha512"
)

// ParseAlgorithm accepts the name of an algorithm, else ErrUnsupportedAlgorithm.
func ParseAlgorithm(s string) (Algorithm, error) {
	switch a := Algorithm(s); a {
	case SHA256, SHA512:
		return a, nil
	}
	return "", fmt.Errorf("%w: want sha256 or sha512, got %s", ErrUnsupportedAlgorithm, quote(s))
}

// New begins a hash. It implements encoding.BinaryMarshaler and BinaryUnmarshaler, so that an upload
// session can keep the state between requests.
func (a Algorithm) New() hash.Hash {
	switch a {
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	}
	panic("oci: algorithm " + quote(string(a)) + " did not come from ParseAlgorithm")
}

// Size is the length of a sum, in bytes.
func (a Algorithm) Size() int {
	switch a {
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	panic("oci: algorithm " + quote(string(a)) + " did not come from ParseAlgorithm")
}

// Digest names content by its hash, as in "sha256:6c3c…". It is comparable; the zero value is no
// digest.
type Digest struct{ text }

// ParseDigest accepts an algorithm that sreg computes and its sum in lower-case hex of the right
// length. What has the form of a digest of another algorithm is ErrUnsupportedAlgorithm, everything
// else ErrDigestInvalid.
func ParseDigest(s string) (Digest, error) {
	name, sum, ok := strings.Cut(s, ":")
	if !ok || !isAlgorithmName(name) || !isEncodedSum(sum) {
		return Digest{}, fmt.Errorf("%w: want <algorithm>:<hex>, got %s", ErrDigestInvalid, quote(s))
	}
	a, err := ParseAlgorithm(name)
	if err != nil {
		return Digest{}, err
	}
	if want := 2 * a.Size(); len(sum) != want {
		return Digest{}, fmt.Errorf("%w: want %d hex digits after %s:, got %d", ErrDigestInvalid, want, a, len(sum))
	}
	for i := range len(sum) {
		if !isLowerHex(sum[i]) {
			return Digest{}, fmt.Errorf("%w: want lower-case hex digits after %s:, got %q", ErrDigestInvalid, a, sum[i])
		}
	}
	return Digest{text{s}}, nil
}

// NewDigest makes a digest of a sum that a hash of the algorithm returned.
func NewDigest(a Algorithm, sum []byte) Digest {
	if len(sum) != a.Size() {
		panic(fmt.Sprintf("oci: a sum of %d bytes is not one of %s", len(sum), a))
	}
	return Digest{text{string(a) + ":" + hex.EncodeToString(sum)}}
}

// DigestOf hashes b.
func DigestOf(a Algorithm, b []byte) Digest {
	h := a.New()
	h.Write(b)
	return NewDigest(a, h.Sum(nil))
}

// Algorithm is the part before the colon.
func (d Digest) Algorithm() Algorithm {
	a, _, _ := strings.Cut(d.s, ":")
	return Algorithm(a)
}

// Hex is the part after the colon.
func (d Digest) Hex() string {
	_, sum, _ := strings.Cut(d.s, ":")
	return sum
}

// Clone is the same digest, which holds no memory of the text that it was parsed from.
func (d Digest) Clone() Digest { return Digest{d.clone()} }

// UnmarshalText is ParseDigest; so an empty text is an error.
func (d *Digest) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDigest(string(text))
	return err
}

// isAlgorithmName follows the image specification: components of a-z and 0-9 with one of "+._-"
// between them.
func isAlgorithmName(s string) bool {
	separated := true
	for i := range len(s) {
		switch c := s[i]; {
		case isLowerAlnum(c):
			separated = false
		case strings.IndexByte("+._-", c) >= 0 && !separated:
			separated = true
		default:
			return false
		}
	}
	return !separated
}

func isEncodedSum(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '=' && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}

func isLowerHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

func isLowerAlnum(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' }

func isAlnum(c byte) bool { return isLowerAlnum(c) || 'A' <= c && c <= 'Z' }
