package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/users"
)

// maxPassword bounds a password, so that hashing one costs what hashing any costs.
const maxPassword = 1 << 10

// Users are asked with each request and hold everything in memory; they are never changed, only replaced.
type Users interface {
	// Lookup finds a user by name.
	Lookup(name string) (users.User, bool)
	// Decoy is a hash for a name that is no user's: no password fits, and to verify one costs what a user's does.
	Decoy(name string) users.Hash
	// Verify tells whether a password is that of a hash.
	Verify(hash users.Hash, password string) bool
}

// passwords verifies users.
type passwords struct {
	config   Config
	users    Users
	queue    *queue
	state    *State
	throttle throttle
	log      *slog.Logger
	reported sync.Map // names of users whose hash is weak
}

// authenticate finds the user. Somebody who does not exist costs what somebody who does costs.
func (p *passwords) authenticate(ctx context.Context, c Credentials) (users.User, error) {
	password := c.secret.Reveal()
	if len(password) > maxPassword {
		return users.User{}, errPassword
	}
	user, known := p.users.Lookup(c.user)
	now := time.Now()
	key := p.key(c.user, user.Hash.Reveal(), password) // without a hash for somebody who does not exist
	if !known {
		user = users.User{Name: c.user, Hash: p.users.Decoy(c.user)}
	}
	until, remembered := p.state.passwords.Get(key)
	remembered = remembered && p.config.Basic.Remember > 0
	ok := remembered
	if !remembered || !now.Before(until) {
		do := p.queue.do
		if remembered {
			do = p.queue.doNow
		}
		var err error
		// All who show the same credential at once wait for one verification, so a rush of clients is one
		// attempt, right or wrong.
		ok, err = p.state.verifying.do(ctx, key, func(ctx context.Context) (bool, error) { return p.check(ctx, c, user, do) })
		if remembered && (errors.Is(err, access.ErrThrottled) || errors.Is(err, access.ErrSignInBusy)) {
			// The wrong passwords of others are in the way, and this one was right: it still is, for the same hash.
			ok, err = true, nil
		}
		if err != nil {
			return users.User{}, err
		}
		if ok && known && p.config.Basic.Remember > 0 {
			p.state.passwords.Put(key, now.Add(p.config.Basic.Remember), 1)
		}
	}
	if !ok || !known || user.Expired(now) {
		return users.User{}, errPassword
	}
	return user, nil
}

// check verifies a password, within the bounds of how many are verified at once and how often a client may fail.
func (p *passwords) check(ctx context.Context, c Credentials, user users.User, do func(context.Context, func()) error) (bool, error) {
	attempt, wait := p.throttle.begin(ctx, c.Client, c.user)
	if wait > 0 {
		return false, &access.ThrottledError{RetryAfter: wait}
	}
	var right bool
	if err := do(ctx, func() { right = p.users.Verify(user.Hash, c.secret.Reveal()) }); err != nil {
		attempt.takeBack(ctx)
		return false, err
	}
	if !right {
		return false, nil
	}
	attempt.succeeded(ctx)
	if user.Hash.Rehash() {
		if _, reported := p.reported.LoadOrStore(user.Name, true); !reported {
			p.log.InfoContext(ctx, "a user's password has a weak hash, set it anew", "username", user.Name)
		}
	}
	return true, nil
}

// key names a credential that is remembered. Outside this process no password can be tried against it, and it changes
// with the user's hash.
func (p *passwords) key(name, hash, password string) (key [32]byte) {
	mac := hmac.New(sha256.New, p.state.secret[:])
	for _, part := range []string{name, hash, password} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	mac.Sum(key[:0])
	return key
}
