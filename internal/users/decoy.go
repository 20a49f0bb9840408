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

// NewDecoys takes the hashes of all users. A decoy takes the time of one of them: beside bcrypt hashes, the
// time of Argon2id would show that there is no such user.
func NewDecoys(like []Hash) Decoys {
	digest := sha256.New()
	for _, h := range like {
		digest.Write([]byte(h.text))
	}
	d := Decoys{like: like}
	digest.Sum(d.key[:0])
	return d
}

// For returns a hash that no password matches. Which user's hash it is like depends on the name and on a key
// made of all hashes, so a name takes the same time each time, as a user's name does, and nobody without the
// hashes can predict it.
func (d Decoys) For(name string) Hash {
	if len(d.like) == 0 {
		return preferred.decoy()
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
		return preferred.decoy()
	}
}

func (a argon2id) decoy() Hash {
	a.salt = randomBytes(max(len(a.salt), saltSize))
	a.sum = randomBytes(max(len(a.sum), sumSize))
	return Hash{text: a.text(), argon2: a}
}
