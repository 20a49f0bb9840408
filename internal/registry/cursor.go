package registry

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// Cursor is a place in the catalog, behind a name: Last, or one that is sealed, because whoever goes on
// from there may not know of it. The zero value is the begin.
type Cursor struct {
	Last   string
	Sealed string
}

// ErrCursor is a sealed cursor that this registry did not make.
var ErrCursor = errors.New("the page that the link leads to is not known here; begin with the first one")

// sealedSize is the size of a name before it is sealed, and a byte for its length: all are alike, so that
// none tells how long it is. A name has at most 255 bytes.
const sealedSize = 256

// seal hides a name from everybody but those who share the store. Who could count what lies between two
// names could find out each name between them.
func (r *Registry) seal(ctx context.Context, name string) (string, error) {
	box, err := r.box(ctx)
	if err != nil {
		return "", err
	}
	padded := make([]byte, sealedSize)
	padded[0] = byte(copy(padded[1:], name))
	nonce := make([]byte, box.NonceSize(), box.NonceSize()+sealedSize+box.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(box.Seal(nonce, nonce, padded, nil)), nil
}

// unseal is the name that a sealed one hides.
func (r *Registry) unseal(ctx context.Context, sealed string) (string, error) {
	box, err := r.box(ctx)
	if err != nil {
		return "", err
	}
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(text) < box.NonceSize() {
		return "", ErrCursor
	}
	padded, err := box.Open(nil, text[:box.NonceSize()], text[box.NonceSize():], nil)
	if err != nil || len(padded) != sealedSize {
		return "", ErrCursor
	}
	return string(padded[1 : 1+int(padded[0])]), nil
}

// box seals under a key that all who share the store have, and that no client sees anything of.
func (r *Registry) box(ctx context.Context) (cipher.AEAD, error) {
	format, _, err := readFormat(ctx, r.metadata)
	if err != nil {
		return nil, fmt.Errorf("key of cursors: %w", err)
	}
	key := sha256.Sum256([]byte("cursors of the catalog " + format.ID))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
