package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/policy/policytest"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/spelling"
	"github.com/sreg-project/sreg/internal/users"
)

// readIdentity reads who asks: the name of a user, what is written in braces, or a file of that. Nobody is empty. A user
// is who the server would find.
func (l loaded) readIdentity(io IO, text string) (access.Identity, error) {
	if text == "" {
		return access.Identity{}, nil
	}
	known, err := l.users(io)
	if err != nil {
		return access.Identity{}, err
	}
	if user, ok := known[text]; ok {
		return l.signedIn(io, authn.IdentityOf(user), known), nil
	}
	file, content := "--identity", []byte(text)
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		if content, err = os.ReadFile(text); errors.Is(err, fs.ErrNotExist) {
			return access.Identity{}, nobodyCalled(text, known)
		} else if err != nil {
			return access.Identity{}, &usageError{message: err.Error()}
		}
		file = text
	}
	identity, mistakes := policytest.ParseIdentity(content)
	if len(mistakes) > 0 {
		return identity, fileMistakes(file, mistakes)
	}
	return l.signedIn(io, identity, known), nil
}

// users are those of the config and of its file, by name.
func (l loaded) users(io IO) (map[string]users.User, error) {
	auth := l.cfg.Auth
	var listed []users.User
	if auth.UsersFile != "" {
		file, err := users.Load(auth.UsersFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			io.warn(err.Error() + ": its users and their groups are not known")
		case err != nil:
			return nil, mistake(l.sources, "auth.users_file", err)
		default:
			listed = file.Users()
		}
	}
	known, err := authn.KnownUsers(auth.Users, listed)
	var wrong *setting.Error
	if errors.As(err, &wrong) {
		return nil, mistake(l.sources, wrong.Key, wrong.Err)
	}
	return known, err
}

// signedIn gives a user the groups that the server would, and warns where that would not let them in as they are
// described. Whoever comes by a token of a provider has the groups of that.
func (l loaded) signedIn(io IO, identity access.Identity, known map[string]users.User) access.Identity {
	user, ok := known[identity.Username]
	if identity.OIDC != nil || identity.Username == "" || len(known) == 0 {
		return identity
	}
	if !ok {
		if len(l.cfg.Auth.OIDC) == 0 {
			io.warn(fmt.Sprintf("no user is called %q, so nobody can sign in as that", identity.Username))
		}
		return identity
	}
	if user.Expired(time.Now()) {
		io.warn(fmt.Sprintf("the user %s has expired, and cannot sign in", user.Name))
	}
	if identity.Groups == nil {
		identity.Groups = user.Groups
	}
	if !slices.Equal(identity.Groups, user.Groups) {
		io.warn(fmt.Sprintf("the user %s has %s in the config, and not those of --identity", user.Name, groupsOf(user)))
	}
	return identity
}

func groupsOf(user users.User) string {
	if len(user.Groups) == 0 {
		return "no group"
	}
	return "the groups " + strings.Join(user.Groups, ", ")
}

// nobodyCalled says that a text names neither a user nor a file.
func nobodyCalled(name string, known map[string]users.User) error {
	hint := "write {username: NAME} for somebody whom the config does not have"
	if near, ok := spelling.Nearest(name, slices.Sorted(maps.Keys(known))); ok {
		hint = "did you mean " + near + "?"
	}
	return &usageError{message: fmt.Sprintf("--identity: neither a user nor a file is called %q", name), hint: hint}
}
