package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sreg-project/sreg/internal/storage"
)

// Secret names what a registry keeps in its metadata store for itself alone. All who share the store share it; what is
// in it is its owner's.
type Secret string

// The secrets. Their names are part of the layout.
const (
	TokenKeys     Secret = "token"   // the keys that sign tokens
	RevokedTokens Secret = "revoked" // which tokens end before their time
	CacheKey      Secret = "cache"   // the key that marks what lies in Redis
)

// SecretOf tells which secret an object is.
func SecretOf(o Object) (name Secret, ok bool) {
	text, ok := strings.CutPrefix(o.Key(), keysPrefix+"/")
	return Secret(text), ok && o.Kind == KindOwn
}

// Secret reads one, nil if none was kept yet.
func (r *Registry) Secret(ctx context.Context, name Secret) ([]byte, error) {
	content, err := r.readIfThere(ctx, secretKey(name))
	if err != nil {
		return nil, fmt.Errorf("read the secret %s: %w", name, err)
	}
	return content, nil
}

// KeepSecret keeps one, unless there is one, and returns the one that is kept: of two that start at once one wins.
func (r *Registry) KeepSecret(ctx context.Context, name Secret, content []byte) ([]byte, error) {
	if r.config.ReadOnly {
		return nil, fmt.Errorf("keep the secret %s: %w", name, ErrReadOnly)
	}
	_, err := r.metadata.Put(ctx, secretKey(name), content, storage.PutOptions{IfAbsent: true})
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return nil, fmt.Errorf("keep the secret %s: %w", name, err)
	}
	return r.Secret(ctx, name)
}

// ChangeSecret keeps what change makes of a secret, nil if there is none. change is called again if somebody else has
// changed it meanwhile. An error of it is returned, and what it leaves as it is is not written.
func (r *Registry) ChangeSecret(ctx context.Context, name Secret, change func(now []byte) ([]byte, error)) error {
	if r.config.ReadOnly {
		return fmt.Errorf("change the secret %s: %w", name, ErrReadOnly)
	}
	for {
		value, err := r.metadata.Get(ctx, secretKey(name))
		there := !errors.Is(err, storage.ErrNotExist)
		if err != nil && there {
			return fmt.Errorf("read the secret %s: %w", name, err)
		}
		next, err := change(value.Data)
		if err != nil || there && bytes.Equal(next, value.Data) {
			return err
		}
		_, err = r.metadata.Put(ctx, secretKey(name), next, storage.PutOptions{IfAbsent: !there, IfUnchanged: value.Version})
		if err == nil || !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrChanged) {
			if err != nil {
				err = fmt.Errorf("change the secret %s: %w", name, err)
			}
			return err
		}
	}
}
