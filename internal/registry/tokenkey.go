package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/storage"
)

// TokenKey is the key that signs this registry's tokens, nil if none was kept yet. All who share the
// metadata store share it.
func (r *Registry) TokenKey(ctx context.Context) ([]byte, error) {
	key, err := r.readIfThere(ctx, tokenKey)
	if err != nil {
		return nil, fmt.Errorf("read the key of tokens: %w", err)
	}
	return key, nil
}

// KeepTokenKey keeps the key, unless there is one, and returns the one that is kept: of two that start at
// once one wins.
func (r *Registry) KeepTokenKey(ctx context.Context, key []byte) ([]byte, error) {
	if r.config.ReadOnly {
		return nil, fmt.Errorf("keep the key of tokens: %w", ErrReadOnly)
	}
	_, err := r.metadata.Put(ctx, tokenKey, key, storage.PutOptions{IfAbsent: true})
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return nil, fmt.Errorf("keep the key of tokens: %w", err)
	}
	return r.TokenKey(ctx)
}
