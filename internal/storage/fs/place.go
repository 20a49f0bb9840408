package fs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sreg-project/sreg/internal/storage"
)

// OpenPlace is not for a folder: its keys alone find everything.
func (s *Store) OpenPlace(context.Context, storage.Place) (io.ReadSeekCloser, storage.Info, error) {
	return nil, storage.Info{}, fmt.Errorf("open a place: %w", errors.ErrUnsupported)
}

// Presign is not for a folder: nobody else serves it.
func (s *Store) Presign(context.Context, storage.Place, storage.PresignOptions) (string, error) {
	return "", fmt.Errorf("presign a place: %w", errors.ErrUnsupported)
}

// Features are those of a folder, which can do everything.
func (s *Store) Features() storage.Features { return storage.Features{ConditionalWrites: true} }
