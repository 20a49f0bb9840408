package authn

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	// believeKeys is how long the keys and what was revoked are believed before they are read again.
	believeKeys = 10 * time.Second
	// unknownEvery is how often a token of a key that is not known makes us read them before that.
	unknownEvery = time.Second
	// keysTimeout bounds a read.
	keysTimeout = 5 * time.Second
	// untilHeader says in the PEM block of a key that was replaced until when its tokens are accepted.
	untilHeader = "Until"
)

// keyring is the keys of tokens and what was revoked, as they were read. It is never changed.
type keyring struct {
	keys    []*signingKey // the first one signs, the others were replaced
	revoked *revocations
	read    time.Time
	content [2][]byte // what they were made of
}

func (k *keyring) signing() *signingKey { return k.keys[0] }

// find returns the key of that id, unless its time is over.
func (k *keyring) find(id string) *signingKey {
	for _, key := range k.keys {
		if key.id == id && (key.until.IsZero() || time.Now().Before(key.until)) {
			return key
		}
	}
	return nil
}

// parseKeyring never shows anything of the content.
func parseKeyring(content []byte) ([]*signingKey, error) {
	var keys []*signingKey
	for block, rest := pem.Decode(content); block != nil || len(keys) == 0; block, rest = pem.Decode(rest) {
		key, err := parseKey(block)
		if err != nil {
			return nil, err
		}
		if until := headerOf(block); until != "" {
			if key.until, err = time.Parse(time.RFC3339, until); err != nil {
				return nil, errors.New("key of tokens: " + untilHeader + " in the PEM block is no time such as 2030-01-31T12:00:00Z")
			}
		}
		keys = append(keys, key)
	}
	if !keys[0].until.IsZero() {
		return nil, errors.New("key of tokens: the first PEM block signs, so it must have no " + untilHeader)
	}
	return keys, nil
}

func headerOf(block *pem.Block) string { return block.Headers[untilHeader] }

// load returns the keys, which may be some seconds old. If there is none it makes one, or it is fs.ErrNotExist.
func (t *tokens) load(ctx context.Context, create bool) (*keyring, error) {
	known := t.ring.Load()
	if known != nil && time.Since(known.read) < believeKeys {
		return known, nil
	}
	return t.reload(ctx, known, create)
}

// reload reads the keys once more. While somebody else does, and while they cannot be read, those that are known serve.
func (t *tokens) reload(ctx context.Context, known *keyring, create bool) (*keyring, error) {
	if known == nil {
		t.loading.Lock()
	} else if !t.loading.TryLock() {
		return known, nil
	}
	defer t.loading.Unlock()
	if now := t.ring.Load(); now != known {
		return now, nil
	}
	if known != nil {
		// A client that leaves must not keep everybody from what was revoked.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
		defer cancel()
		ctx = bounded
	}
	next, err := t.readKeys(ctx, known, create)
	if err != nil && known == nil {
		return nil, err
	}
	if err != nil {
		t.log.WarnContext(ctx, "the keys of tokens, and what was revoked, cannot be read again: those of before serve", "error", err)
		again := *known
		next = &again
	}
	next.read = time.Now()
	t.ring.Store(next)
	return next, nil
}

func (t *tokens) readKeys(ctx context.Context, known *keyring, create bool) (*keyring, error) {
	content, err := t.store.Load(ctx)
	if create && errors.Is(err, fs.ErrNotExist) {
		if content, err = newKey(); err == nil {
			content, err = t.store.Create(ctx, content)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key of tokens: %w", err)
	}
	var revoked []byte
	if t.revoked != nil {
		if revoked, err = t.revoked(ctx); err != nil {
			return nil, err
		}
	}
	if known != nil && bytes.Equal(known.content[0], content) && bytes.Equal(known.content[1], revoked) {
		same := *known
		return &same, nil
	}
	next := &keyring{content: [2][]byte{content, revoked}}
	if next.keys, err = parseKeyring(content); err != nil {
		return nil, err
	}
	next.revoked, err = parseRevocations(revoked)
	return next, err
}

// RotatedKey is a key that signs, or that has signed.
type RotatedKey struct {
	ID    string     `json:"id"`
	Until *time.Time `json:"until,omitempty"` // when its tokens end; nil if it signs
}

// RotateKeys puts a new key before those of a KeyStore, nil if there is none. What the former ones have signed is accepted
// until then, or for as long as was said when they were replaced if that is less; keys whose time is over are left out.
func RotateKeys(content []byte, now, until time.Time) (next []byte, keys []RotatedKey, err error) {
	if next, err = newKey(); err != nil {
		return nil, nil, err
	}
	if len(content) > 0 {
		if _, err := parseKeyring(content); err != nil {
			return nil, nil, err
		}
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		end := until
		if said, err := time.Parse(time.RFC3339, headerOf(block)); err == nil && said.Before(until) {
			end = said
		}
		if end.After(now) {
			block.Headers = map[string]string{untilHeader: end.UTC().Format(time.RFC3339)}
			next = append(next, pem.EncodeToMemory(block)...)
		}
	}
	ring, err := parseKeyring(next)
	for _, key := range ring {
		one := RotatedKey{ID: key.id}
		if !key.until.IsZero() {
			one.Until = &key.until
		}
		keys = append(keys, one)
	}
	return next, keys, err
}

// CheckKeys says what is wrong with the keys of tokens, as they are kept. It shows nothing of them.
func CheckKeys(content []byte) error {
	_, err := parseKeyring(content)
	return err
}
