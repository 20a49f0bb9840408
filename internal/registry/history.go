package registry

import (
	"context"
	"errors"
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// PastValue is one value that a tag has, or had.
type PastValue struct {
	TagValue
	// Current says that the tag stands for it now.
	Current bool
	// Removed is the entry of the trash, if the tag was removed while it stood for it; else nil.
	Removed *TrashEntry
	// Restorable says that the manifest and all that it needs is there, or in the trash.
	Restorable bool
}

// History tells what a tag has stood for, the last value first: the ten former values that its record
// keeps, and those that went with it into the trash.
func (m *Maintenance) History(ctx context.Context, ns oci.Name, tag oci.Tag) ([]PastValue, error) {
	if err := m.admit(ns); err != nil {
		return nil, err
	}
	trash, err := m.readTrash(ctx, ns)
	if err != nil {
		return nil, err
	}
	// A dry run of the restore tells what is left of each value.
	rs := &restoring{RestoreOptions: RestoreOptions{Namespace: ns, DryRun: true}, m: m, trash: trash}
	now, err := rs.currentTag(ctx, tag)
	if err != nil {
		return nil, err
	}
	records, err := rs.records(ctx, now, tag)
	if err != nil {
		return nil, err
	}
	var history []PastValue
	var seen []TagValue
	for _, record := range records {
		for i, value := range record.values() {
			if slices.ContainsFunc(seen, value.samePush) {
				continue // the tag was restored with its history
			}
			seen = append(seen, value)
			past := PastValue{TagValue: value}
			if past.Restorable, err = rs.restorable(ctx, value.Digest); err != nil {
				return nil, err
			}
			if i == 0 {
				past.Removed, past.Current = record.entry, record.entry == nil && now.there
			}
			history = append(history, past)
		}
	}
	if len(history) == 0 {
		return nil, m.manifestError(ns, oci.Reference{Tag: tag}, storage.ErrNotExist)
	}
	return history, nil
}

// restorable tells whether a manifest could be restored, or is there.
func (rs *restoring) restorable(ctx context.Context, d oci.Digest) (bool, error) {
	missing, err := rs.missing(ctx, d, visited{})
	if errors.Is(err, ErrNotInTrash) {
		return false, nil
	}
	return len(missing) == 0, err
}
