package authn

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/users"
)

// Directory is the users of the config and of the file. NewDirectory makes it.
type Directory struct {
	byName map[string]users.User
	decoys users.Decoys
}

// NewDirectory takes the users of the config, and those of a file whose names the config has not.
func NewDirectory(config []UserConfig, file []users.User) (*Directory, error) {
	d := &Directory{byName: map[string]users.User{}}
	var hashes []users.Hash
	for _, u := range file {
		d.byName[u.Name] = u
		hashes = append(hashes, u.Hash)
	}
	for i, c := range config {
		hash, err := users.ParseHash(c.PasswordHash.Reveal())
		if err != nil {
			return nil, &setting.Error{Key: fmt.Sprintf("auth.users[%d].password_hash", i), Err: err}
		}
		u := users.User{Name: c.Name, Hash: hash, Groups: c.Groups}
		if c.Expires != "" {
			if u.Expires, err = users.ParseExpires(c.Expires); err != nil {
				return nil, &setting.Error{Key: fmt.Sprintf("auth.users[%d].expires", i), Err: err}
			}
		}
		d.byName[u.Name] = u
		hashes = append(hashes, hash)
	}
	d.decoys = users.NewDecoys(hashes)
	return d, nil
}

// Lookup finds a user.
func (d *Directory) Lookup(name string) (users.User, bool) {
	user, ok := d.byName[name]
	return user, ok
}

// Decoy is a hash with the parameters of a user's.
func (d *Directory) Decoy(name string) users.Hash { return d.decoys.For(name) }

// Verify is that of the hash.
func (*Directory) Verify(hash users.Hash, password string) bool { return hash.Verify(password) }
