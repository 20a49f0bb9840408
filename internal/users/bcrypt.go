package users

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	// bcryptLimit is how much of a password bcrypt compares, in bytes.
	bcryptLimit = 72
	// htpasswd makes cost 5 unless it is told otherwise, and such files are why bcrypt is accepted at all.
	// Each step up doubles the time; 14 takes about a second.
	minBcryptCost, maxBcryptCost = 5, 14

	bcryptSize     = 60 // bytes of the text
	bcryptHead     = 7  // $2y$10$
	bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// isBcrypt reports whether a hash has one of the versions that name the same algorithm, without known flaws.
func isBcrypt(text string) bool {
	return strings.HasPrefix(text, "$2a$") || strings.HasPrefix(text, "$2b$") || strings.HasPrefix(text, "$2y$")
}

func parseBcrypt(text string) (cost int, err error) {
	if len(text) != bcryptSize || text[bcryptHead-1] != '$' || strings.Trim(text[bcryptHead:], bcryptAlphabet) != "" {
		return 0, errBcryptForm
	}
	digits := text[bcryptHead-3 : bcryptHead-1]
	n, err := strconv.ParseUint(digits, 10, 8)
	if err != nil {
		return 0, errBcryptForm
	}
	cost = int(n)
	if cost < minBcryptCost || cost > maxBcryptCost {
		return 0, fmt.Errorf("the bcrypt hash has cost %d, want %d to %d%s", cost, minBcryptCost, maxBcryptCost, setAgain)
	}
	return cost, nil
}

var errBcryptForm = errors.New("the bcrypt hash is malformed, want $2y$, two digits, $ and 53 letters" + setAgain)

// verifyBcrypt refuses a password that is longer than the part that bcrypt compares: any password with the
// same beginning would be right. It takes the same time for a password that it refuses.
func verifyBcrypt(hash, password string) bool {
	compared := password[:min(len(password), bcryptLimit)]
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(compared))
	return err == nil && len(password) <= bcryptLimit
}
