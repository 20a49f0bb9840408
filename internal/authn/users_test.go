package authn

import (
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/users"
)

func TestUsersOfTheConfigStandBeforeThoseOfTheFile(t *testing.T) {
	t.Parallel()
	inFile, err := users.NewHash("file")
	must(t, err)
	inConfig, err := users.NewHash("config")
	must(t, err)
	directory, err := NewDirectory(
		[]UserConfig{{Name: "alice", PasswordHash: secret.New(inConfig.Reveal()), Groups: []string{"dev"}, Expires: "2099-01-01"}},
		[]users.User{{Name: "alice", Hash: inFile}, {Name: "bob", Hash: inFile, Groups: []string{"ops"}}},
	)
	must(t, err)
	f := newFixture(t, func(f *fixture) {
		f.opts.Users = directory
	})
	for _, tt := range []struct{ user, password, want string }{
		{"alice", "config", "alice"}, {"alice", "file", ""}, {"bob", "file", "bob"}, {"bob", "", ""}, {"carol", "file", ""},
	} {
		if identity, _ := ask(t, f.Authenticator, basic(tt.user, tt.password)); identity.Username != tt.want {
			t.Errorf("%s with %q: got %+v, want user %q", tt.user, tt.password, identity, tt.want)
		}
	}
	if alice, _ := directory.Lookup("alice"); !alice.Expires.Equal(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)) || len(alice.Groups) != 1 {
		t.Errorf("got %+v, want the groups and the end of the config", alice)
	}
}

func TestAUserOfTheConfigThatCannotSignIn(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]UserConfig{
		"a password as hash": {Name: "alice", PasswordHash: secret.New("hello")},
		"an end that is none": {
			Name: "alice", Expires: "tomorrow",
			PasswordHash: secret.New("$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0c2FsdA$JHP+3w2PUJ5VQtxDHCjdoAAEC+JztcwU/LWpmtUl7XQ"),
		},
	} {
		if _, err := NewDirectory([]UserConfig{user}, nil); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
