package authn

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/users"
)

// Directory is the users of the config and of the file. NewDirectory makes it.
type Directory struct {
	byName map[string]User
	decoys users.Decoys
}

// NewDirectory takes the users of the config, and those of a file whose names the config has not.
func NewDirectory(config []UserConfig, file []users.User) (*Directory, error) {
	d := &Directory{byName: map[string]User{}}
	var hashes []users.Hash
	for _, u := range file {
		d.byName[u.Name] = User{Name: u.Name, Hash: u.Hash.Reveal(), Groups: u.Groups, Expires: u.Expires}
		hashes = append(hashes, u.Hash)
	}
	for i, c := range config {
		hash, err := users.ParseHash(c.PasswordHash.Reveal())
		if err != nil {
			return nil, &setting.Error{Key: fmt.Sprintf("auth.users[%d].password_hash", i), Err: err}
		}
		u := User{Name: c.Name, Hash: hash.Reveal(), Groups: c.Groups}
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
func (d *Directory) Lookup(name string) (User, bool) {
	user, ok := d.byName[name]
	return user, ok
}

// Decoy is a hash with the parameters of a user's.
func (d *Directory) Decoy(name string) string { return d.decoys.For(name).Reveal() }

// Verify is that of package users.
func (d *Directory) Verify(hash, password string) (ok, rehash bool, err error) {
	parsed, err := users.ParseHash(hash)
	if err != nil {
		return false, false, err
	}
	found := parsed.Verify(password)
	return found.OK, found.Rehash, nil
}
