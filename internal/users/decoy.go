package users

import (
	"crypto/sha256"
	"encoding/binary"
)

// Decoys are hashes for names that no user has, so that a sign-in costs the same time whether the user is
// there or not. NewDecoys makes them.
type Decoys struct {
	key  [sha256.Size]byte
	like []Hash
}

// NewDecoys takes the hashes of all users. A decoy costs what one of theirs costs: in a file of bcrypt
// hashes a decoy of Argon2id would stand out.
func NewDecoys(like []Hash) Decoys {
	digest := sha256.New()
	for _, h := range like {
		digest.Write([]byte(h.text))
	}
	d := Decoys{like: like}
	digest.Sum(d.key[:0])
	return d
}

// For returns a hash that no password opens. Which user's hash it resembles depends on the name, by a key
// that only who knows the hashes can know: a name that is asked for twice takes the same time twice, as a
// user's does.
func (d Decoys) For(name string) Hash {
	if len(d.like) == 0 {
		return ours.decoy()
	}
	sum := sha256.Sum256(append(d.key[:], name...))
	return d.like[binary.BigEndian.Uint64(sum[:8])%uint64(len(d.like))].decoy()
}

func (h Hash) decoy() Hash {
	switch {
	case h.bcrypt != 0:
		tail := []byte(randomBytes(bcryptSize - bcryptHead))
		for i := range tail {
			tail[i] = bcryptAlphabet[int(tail[i])%len(bcryptAlphabet)]
		}
		return Hash{text: h.text[:bcryptHead] + string(tail), bcrypt: h.bcrypt}
	case h.text != "":
		return h.argon2.decoy()
	default:
		return ours.decoy()
	}
}

func (a argon2id) decoy() Hash {
	a.salt = randomBytes(max(len(a.salt), saltSize))
	a.sum = randomBytes(max(len(a.sum), sumSize))
	return Hash{text: a.text(), argon2: a}
}
