package authn

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/access"
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
	known, err := KnownUsers(config, file)
	if err != nil {
		return nil, err
	}
	d := &Directory{byName: known}
	var hashes []users.Hash
	for _, u := range file {
		hashes = append(hashes, u.Hash)
	}
	for i, c := range config {
		hash, err := users.ParseHash(c.PasswordHash.Reveal())
		if err != nil {
			return nil, &setting.Error{Key: fmt.Sprintf("auth.users[%d].password_hash", i), Err: err}
		}
		u := known[c.Name]
		u.Hash = hash
		known[c.Name] = u
		hashes = append(hashes, hash)
	}
	d.decoys = users.NewDecoys(hashes)
	return d, nil
}

// KnownUsers are the users of the config, whose passwords are left out, and those of a file whose names the config has
// not.
func KnownUsers(config []UserConfig, file []users.User) (map[string]users.User, error) {
	known := map[string]users.User{}
	for _, u := range file {
		known[u.Name] = u
	}
	for i, c := range config {
		u := users.User{Name: c.Name, Groups: c.Groups}
		if c.Expires != "" {
			var err error
			if u.Expires, err = users.ParseExpires(c.Expires); err != nil {
				return nil, &setting.Error{Key: fmt.Sprintf("auth.users[%d].expires", i), Err: err}
			}
		}
		known[u.Name] = u
	}
	return known, nil
}

// IdentityOf is who a user is whose password was right.
func IdentityOf(user users.User) access.Identity {
	return access.Identity{ID: user.Name, Username: user.Name, Groups: user.Groups}
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
