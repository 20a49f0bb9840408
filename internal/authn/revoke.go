package authn

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Revocation ends tokens before their time: those of one sign-in, or all that somebody has got so far.
type Revocation struct {
	ID   string    `json:"id,omitempty"`   // of a token, or of the sign-in that it came from
	User string    `json:"user,omitempty"` // the name, or the id of an identity
	At   time.Time `json:"at"`
	// Until is when the last of these tokens would have ended by itself.
	Until time.Time `json:"until"`
}

// Revoke adds to the record of what was revoked, nil if there is none, and leaves out what is over.
func Revoke(record []byte, add Revocation) ([]byte, error) {
	list, err := readRevocations(record)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(r Revocation) bool {
		return r.Until.Before(add.At) || r.ID == add.ID && r.User == add.User
	})
	return json.Marshal(append(list, add))
}

func readRevocations(record []byte) (list []Revocation, err error) {
	if len(record) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(record, &list); err != nil {
		return nil, fmt.Errorf("read what was revoked of tokens: %w", err)
	}
	return list, nil
}

// revocations are what was revoked, to be looked up. nil is nothing.
type revocations struct {
	ids   map[string]bool
	users map[string]int64 // until when they signed in
}

func parseRevocations(record []byte) (*revocations, error) {
	list, err := readRevocations(record)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	r := &revocations{ids: map[string]bool{}, users: map[string]int64{}}
	for _, one := range list {
		if one.ID != "" {
			r.ids[one.ID] = true
		}
		if one.User != "" {
			r.users[one.User] = max(r.users[one.User], one.At.Unix())
		}
	}
	return r, nil
}

// tokenMark is what of a token can be revoked.
type tokenMark struct {
	id, signIn        string
	subject, username string
	signedIn          int64
}

func (c claims) mark() tokenMark {
	return tokenMark{id: c.ID, signIn: c.SignIn, subject: c.Subject, username: c.Username, signedIn: cmp.Or(c.SignedIn, c.IssuedAt)}
}

func (r *revocations) have(m tokenMark) bool {
	return r != nil && (r.ids[m.id] || r.ids[m.signIn] || m.signedIn <= r.users[m.subject] || m.signedIn <= r.users[m.username])
}

// SignInOf is the id by which a token and all that came from the same sign-in are revoked. It does not verify the token.
func SignInOf(token string) (string, error) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return "", errors.New("it is no token of this registry")
	}
	var who claims
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &who)
	}
	if who.SignIn == "" {
		who.SignIn = who.ID
	}
	if err != nil || who.SignIn == "" || who.Use != useAccess && who.Use != useRefresh {
		return "", errors.New("it is no token of this registry")
	}
	return who.SignIn, nil
}

// CheckRevocations says what is wrong with the record of what was revoked.
func CheckRevocations(record []byte) error {
	_, err := readRevocations(record)
	return err
}
