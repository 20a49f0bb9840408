package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// TagValue is one value that a tag has, or had.
type TagValue struct {
	Digest    oci.Digest
	MediaType string
	Size      int64 // bytes of the manifest
	PushedAt  time.Time
	By        string
	// Current says that the tag stands for it now.
	Current bool
	// Removed is the entry of the trash, if the tag was removed while it stood for it; else nil.
	Removed *Removed
	// Restorable says that the manifest and all that it needs is there, or kept for an undo.
	Restorable bool
}

// History tells what a tag has stood for, the last value first: the ten former values that its record
// keeps, and those that went with it into the trash.
func (m *Maintenance) History(ctx context.Context, ns oci.Name, tag oci.Tag) ([]TagValue, error) {
	if err := m.admit(ns); err != nil {
		return nil, err
	}
	trash, err := m.readTrash(ctx, ns)
	if err != nil {
		return nil, err
	}
	// The undo that would bring a value back looks what is left of it.
	u := &undoing{Undo: Undo{Namespace: ns, DryRun: true}, r: m, trash: trash}
	now, err := u.now(ctx, tag)
	if err != nil {
		return nil, err
	}
	records, err := u.records(ctx, now, tag)
	if err != nil {
		return nil, err
	}
	var history []TagValue
	var seen []tagValue
	for _, record := range records {
		for i, value := range record.values() {
			if slices.ContainsFunc(seen, value.is) {
				continue // it came back with its history
			}
			seen = append(seen, value)
			one, err := u.tagValue(ctx, value)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				one.Removed, one.Current = record.removed, record.removed == nil && now.there
			}
			history = append(history, one)
		}
	}
	if len(history) == 0 {
		return nil, m.manifestError(ns, oci.Reference{Tag: tag}, storage.ErrNotExist)
	}
	return history, nil
}

func (u *undoing) tagValue(ctx context.Context, value tagValue) (TagValue, error) {
	missing, err := u.missing(ctx, value.Digest, visited{})
	if err != nil && !errors.Is(err, ErrNotKept) {
		return TagValue{}, err
	}
	return TagValue{
		Digest: value.Digest, MediaType: value.MediaType, Size: value.Size, PushedAt: value.PushedAt, By: value.By,
		Restorable: err == nil && len(missing) == 0,
	}, nil
}
