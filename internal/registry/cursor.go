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

// Cursor says where a page of the catalog begins: behind a name. The zero value is the beginning.
type Cursor struct {
	Last   string // the name, if the client may know it
	Sealed string // the name, encrypted, if it may not
}

// ErrCursor says that this registry did not seal the cursor.
var ErrCursor = errors.New("the page that the link leads to is not known here; begin with the first one")

// sealedSize is the size of a name before it is sealed, and a byte for its length: all are alike, so that
// none tells how long it is. A name has at most 255 bytes.
const sealedSize = 256

// seal encrypts a name that the client may not see, so that only processes on the same store can read it. A client that
// could write such cursors itself could count the hidden names between two others, and so find out each of them.
func (r *Registry) seal(ctx context.Context, name string) (string, error) {
	aead, err := r.cursorCipher(ctx)
	if err != nil {
		return "", err
	}
	padded := make([]byte, sealedSize)
	padded[0] = byte(copy(padded[1:], name))
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+sealedSize+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, padded, nil)), nil
}

// unseal decrypts what seal has encrypted.
func (r *Registry) unseal(ctx context.Context, sealed string) (string, error) {
	aead, err := r.cursorCipher(ctx)
	if err != nil {
		return "", err
	}
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(text) < aead.NonceSize() {
		return "", ErrCursor
	}
	padded, err := aead.Open(nil, text[:aead.NonceSize()], text[aead.NonceSize():], nil)
	if err != nil || len(padded) != sealedSize {
		return "", ErrCursor
	}
	return string(padded[1 : 1+int(padded[0])]), nil
}

// cursorCipher encrypts by a key that every process on the store can compute, and no client.
func (r *Registry) cursorCipher(ctx context.Context) (cipher.AEAD, error) {
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
