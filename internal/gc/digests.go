package gc

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"

	"github.com/sreg-project/sreg/internal/oci"
)

// digests gives each digest a number, in the order in which they come. It keeps the sums alone: the text of a
// digest takes three times as much, and a store may have a million.
type digests struct {
	short map[[sha256.Size]byte]uint32
	long  map[[sha512.Size]byte]uint32
	count uint32
}

// number is that of a digest, and whether it is new.
func (t *digests) number(d oci.Digest) (n uint32, fresh bool) {
	if n, known := t.find(d); known {
		return n, false
	}
	n = t.count
	t.count++
	if d.Algorithm() == oci.SHA512 {
		if t.long == nil {
			t.long = map[[sha512.Size]byte]uint32{}
		}
		t.long[sum[[sha512.Size]byte](d)] = n
		return n, true
	}
	if t.short == nil {
		t.short = map[[sha256.Size]byte]uint32{}
	}
	t.short[sum[[sha256.Size]byte](d)] = n
	return n, true
}

// find is the number of a digest that has one.
func (t *digests) find(d oci.Digest) (n uint32, known bool) {
	if d.Algorithm() == oci.SHA512 {
		n, known = t.long[sum[[sha512.Size]byte](d)]
		return n, known
	}
	n, known = t.short[sum[[sha256.Size]byte](d)]
	return n, known
}

// sum is the sum of a digest as bytes. A digest was parsed, so its hexadecimal digits are right.
func sum[T [sha256.Size]byte | [sha512.Size]byte](d oci.Digest) (s T) {
	var bytes [sha512.Size]byte
	n, _ := hex.Decode(bytes[:], []byte(d.Hex()))
	switch s := any(&s).(type) {
	case *[sha256.Size]byte:
		copy(s[:], bytes[:n])
	case *[sha512.Size]byte:
		copy(s[:], bytes[:n])
	}
	return s
}
