package authn

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/access"
)

// change lets the keys in memory be what change makes of them.
func (k *keysInMemory) change(t *testing.T, change func(now []byte) ([]byte, error)) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	next, err := change(k.key)
	must(t, err)
	k.key = next
}

func TestKeysRotateWithAnOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		other := f.again(t) // an instance beside
		before := tokenFor(t, f.Authenticator, basic("alice", "right"))
		ask(t, other, bearer(before.Token))
		const overlap = time.Hour
		f.opts.Keys.(*keysInMemory).change(t, func(now []byte) ([]byte, error) {
			next, keys, err := RotateKeys(now, time.Now(), time.Now().Add(overlap))
			if len(keys) != 2 || keys[0].Until != nil || keys[1].Until == nil || keys[0].ID == keys[1].ID {
				t.Errorf("got the keys %+v, want a new one and one that ends", keys)
			}
			return next, err
		})
		time.Sleep(unknownEvery)
		restarted := f.again(t) // it has the new key at once, and the others learn it by the first token
		after := tokenFor(t, restarted, basic("alice", "right"))
		accepted := func(what string, a *Authenticator, token string, want bool) {
			t.Helper()
			identity, outcome := ask(t, a, bearer(token))
			if (identity.Username == "alice") != want {
				t.Errorf("%s: got %+v, %+v, want that it is accepted: %v", what, identity, outcome, want)
			}
		}
		for _, a := range []*Authenticator{f.Authenticator, other, restarted} {
			accepted("of the former key", a, before.Token, true)
			accepted("of the new key", a, after.Token, true)
		}
		// A refresh token of the former key gives tokens of the new one.
		time.Sleep(believeKeys)
		again, err := f.Token(t.Context(), refresh(before))
		must(t, err)
		accepted("by a refresh token", other, again.Token, true)
		if kid := f.tokens.ring.Load().signing().id; kid != restarted.tokens.ring.Load().signing().id {
			t.Errorf("after %s another instance still signs with %s", believeKeys, kid)
		}
		time.Sleep(overlap)
		for _, a := range []*Authenticator{f.Authenticator, f.again(t)} {
			if _, err := a.Token(t.Context(), refresh(before)); !errors.Is(err, access.ErrInvalidCredentials) {
				t.Errorf("a refresh token of a key that is over: got error %v, want %v", err, access.ErrInvalidCredentials)
			}
			_, err = a.Token(t.Context(), refresh(after))
			must(t, err)
		}
		f.opts.Keys.(*keysInMemory).change(t, func(now []byte) ([]byte, error) {
			next, keys, err := RotateKeys(now, time.Now(), time.Now().Add(overlap))
			if len(keys) != 2 {
				t.Errorf("got the keys %+v, want that the one that is over was left out", keys)
			}
			return next, err
		})
	})
}

func TestAKeyringThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	content, _, err := RotateKeys(nil, time.Now(), time.Now())
	must(t, err)
	retired := strings.Replace(string(content), "KEY-----\n", "KEY-----\nUntil: 2030-01-31T12:00:00Z\n\n", 1)
	for name, tt := range map[string]struct{ content, want string }{
		"nobody signs":      {retired, "the first PEM block signs"},
		"an end of no time": {string(content) + strings.Replace(retired, "2030-01-31", "canary", 1), "is no time"},
		"a second block":    {string(content) + "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n", "PRIVATE KEY"},
	} {
		if _, err := parseKeyring([]byte(tt.content)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
		}
	}
}

// TestWhatWasRevokedEnds: within some seconds in each instance, be it remembered there or not.
func TestWhatWasRevokedEnds(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"token", "refresh token", "user"} {
		t.Run("by "+by, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var record []byte
				f := newFixture(t, func(f *fixture) {
					f.users["bob"] = newUser("bob", "right")
					f.opts.Revoked = func(context.Context) ([]byte, error) { return record, nil }
				})
				alice, bob := tokenFor(t, f.Authenticator, basic("alice", "right")), tokenFor(t, f.Authenticator, basic("bob", "right"))
				refreshed, err := f.Token(t.Context(), refresh(alice))
				must(t, err)
				tokens := []string{alice.Token, refreshed.Token}
				for _, token := range append(tokens, bob.Token) {
					ask(t, f.Authenticator, bearer(token)) // it is remembered
				}
				revocation := Revocation{At: time.Now(), Until: time.Now().Add(time.Hour)}
				switch by {
				case "token":
					revocation.ID, err = SignInOf(alice.Token)
				case "refresh token":
					revocation.ID, err = SignInOf(alice.RefreshToken)
				default:
					revocation.User = "alice"
				}
				must(t, err)
				record, err = Revoke(record, revocation)
				must(t, err)
				time.Sleep(believeKeys)
				for name, a := range map[string]*Authenticator{"the same instance": f.Authenticator, "another one": f.again(t)} {
					for _, token := range tokens {
						if identity, outcome := ask(t, a, bearer(token)); !identity.Anonymous() || outcome.Reason != string(errRevoked) {
							t.Errorf("%s: got %+v, %+v, want that the token was revoked", name, identity, outcome)
						}
					}
					if _, err := a.Token(t.Context(), refresh(alice)); !errors.Is(err, access.ErrInvalidCredentials) {
						t.Errorf("%s: the refresh token: got error %v, want %v", name, err, access.ErrInvalidCredentials)
					}
					if identity, _ := ask(t, a, bearer(bob.Token)); identity.Username != "bob" {
						t.Errorf("%s: got %+v for another user's token", name, identity)
					}
				}
				time.Sleep(time.Second)
				if identity, _ := ask(t, f.Authenticator, bearer(tokenFor(t, f.Authenticator, basic("alice", "right")).Token)); identity.Username != "alice" {
					t.Errorf("got %+v after another sign-in, want alice", identity)
				}
			})
		})
	}
}

// TestARevocationEndsWhatIsGivenAfterIt: an instance that has not read it yet gives tokens by a refresh token, and they
// are as old as the sign-in that it is from.
func TestARevocationEndsWhatIsGivenAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var record []byte
		f := newFixture(t, func(f *fixture) {
			f.opts.Revoked = func(context.Context) ([]byte, error) { return record, nil }
		})
		before := tokenFor(t, f.Authenticator, basic("alice", "right"))
		var err error
		record, err = Revoke(record, Revocation{User: "alice", At: time.Now(), Until: time.Now().Add(time.Hour)})
		must(t, err)
		time.Sleep(believeKeys / 2)
		given, err := f.Token(t.Context(), refresh(before))
		if err != nil {
			t.Fatalf("this instance should not have read the revocation yet: %v", err)
		}
		other := f.again(t) // it has
		refused := func(name string, a *Authenticator) {
			t.Helper()
			if identity, outcome := ask(t, a, bearer(given.Token)); !identity.Anonymous() || outcome.Reason != string(errRevoked) {
				t.Errorf("%s: got %+v, %+v, want that the token was revoked", name, identity, outcome)
			}
		}
		refused("another instance", other)
		anew := tokenFor(t, f.Authenticator, basic("alice", "right"))
		if identity, _ := ask(t, other, bearer(anew.Token)); identity.Username != "alice" {
			t.Errorf("got %+v after another sign-in, want alice", identity)
		}
		time.Sleep(believeKeys)
		refused("the instance that gave it", f.Authenticator)
	})
}

func TestRevokeLeavesOutWhatIsOver(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	var record []byte
	for _, one := range []Revocation{
		{ID: "a", At: now, Until: now.Add(time.Hour)},
		{User: "u", At: now, Until: now.Add(3 * time.Hour)},
		{User: "u", At: now.Add(time.Hour), Until: now.Add(4 * time.Hour)},
		{ID: "b", At: now.Add(2 * time.Hour), Until: now.Add(5 * time.Hour)},
	} {
		var err error
		record, err = Revoke(record, one)
		must(t, err)
	}
	var list []Revocation
	must(t, json.Unmarshal(record, &list))
	if len(list) != 2 || list[0].User != "u" || !list[0].At.Equal(now.Add(time.Hour)) || list[1].ID != "b" {
		t.Errorf("got %+v, want the last one of u, and b", list)
	}
	if _, err := Revoke([]byte("{"), Revocation{}); err == nil {
		t.Error("a record that cannot be read was overwritten")
	}
}

// TestATokenOfOthersIsNoneToRevoke: it would sign in all the same.
func TestATokenOfOthersIsNoneToRevoke(t *testing.T) {
	t.Parallel()
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://idp.example","aud":"sreg","jti":"7"}`))
	if id, err := SignInOf("e30." + payload + ".c2ln"); err == nil {
		t.Errorf("got the id %q, want an error", id)
	}
}
