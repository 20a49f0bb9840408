package authn

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sreg-project/sreg/internal/users"
)

// KeyStore keeps the keys of tokens, as a PEM file has them: the first one signs, and those behind it were replaced, each
// with a time in the header Until of its block. Instances that share it accept each other's tokens.
type KeyStore interface {
	// Load returns the keys, or an error that is fs.ErrNotExist if there is none yet.
	Load(ctx context.Context) ([]byte, error)
	// Create keeps the key, unless there is one, and returns the one that is kept.
	Create(ctx context.Context, key []byte) ([]byte, error)
}

// KeyFile is a KeyStore in a file.
type KeyFile struct{ Path string }

// Load reads the file.
func (f KeyFile) Load(context.Context) ([]byte, error) { return os.ReadFile(f.Path) }

// Create makes no file: whoever names one in the config makes it.
func (f KeyFile) Create(context.Context, []byte) ([]byte, error) {
	return nil, fmt.Errorf("%s: %w", f.Path, fs.ErrNotExist)
}

// newKey makes a key for a KeyStore.
func newKey() ([]byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of tokens: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode key of tokens: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// signingKey signs and verifies tokens.
type signingKey struct {
	id     string
	until  time.Time // from when on its tokens are refused; zero if it signs
	public ed25519.PublicKey
	signer jose.Signer
	secret []byte // the key of fingerprints, which only who has the private key knows
}

// parseKey never shows anything of the block.
func parseKey(block *pem.Block) (*signingKey, error) {
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("key of tokens: want a PEM block PRIVATE KEY (PKCS #8), as openssl genpkey -algorithm ed25519 writes it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("key of tokens: the PEM block is no PKCS #8 key")
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key of tokens: want an Ed25519 key, got %T", parsed)
	}
	public := private.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	key := &signingKey{id: base64.RawURLEncoding.EncodeToString(sum[:9]), public: public}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader(jose.HeaderKey("kid"), key.id)
	key.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, options)
	if err != nil {
		return nil, fmt.Errorf("key of tokens: %w", err)
	}
	mac := hmac.New(sha256.New, private.Seed())
	mac.Write([]byte("marks of users"))
	key.secret = mac.Sum(nil)
	return key, nil
}

// fingerprint is another one when the user has another password, and tells nothing of its hash.
func (k *signingKey) fingerprint(user users.User) string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(user.Name + "\x00" + user.Hash.Reveal()))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:15])
}
