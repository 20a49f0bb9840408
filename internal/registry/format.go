package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/storage"
)

const (
	// formatVersion is the layout that this package writes; see keys.go.
	formatVersion = 2
	// formatTagEntries is the first one in which each tag has an entry.
	formatTagEntries = 2
)

// formatRecord is written once, when a store is created. The blob store's names the metadata store
// that it belongs to, so that a mistyped root never makes every blob look unreferenced.
type formatRecord struct {
	Format   int    `json:"format"`
	ID       string `json:"id"`
	Metadata string `json:"metadata"` // the ID of the metadata store
}

// Create gives new stores their format. It may be called again at any time.
func (m *Maintenance) Create(ctx context.Context) error { return m.create(ctx, lostFormat) }

// CreateEmpty is Create for stores of which LostFormat has said that they have not lost theirs, before their folders
// were made: it does not look through these, which takes longer than all else of a first start.
func (m *Maintenance) CreateEmpty(ctx context.Context) error {
	return m.create(ctx, func(context.Context, storage.Store) (bool, error) { return false, nil })
}

// create asks whether a store without a format has lost it.
func (m *Maintenance) create(ctx context.Context, lost func(context.Context, storage.Store) (bool, error)) error {
	metadata, err := createFormat(ctx, m.metadata, "", lost)
	if err != nil {
		return fmt.Errorf("create metadata store: %w", err)
	}
	if _, err := createFormat(ctx, m.blobs, metadata.ID, lost); err != nil {
		return fmt.Errorf("create blob store: %w", err)
	}
	return m.checkFormat(ctx)
}

// LostFormat tells whether a store has objects and no format: somebody removed that, or did not restore it.
func (m *Maintenance) LostFormat(ctx context.Context) (bool, error) {
	for _, store := range m.eachStore() {
		if lost, err := lostFormat(ctx, store); lost || err != nil {
			return lost, err
		}
	}
	return false, nil
}

func lostFormat(ctx context.Context, store storage.Store) (bool, error) {
	if _, found, err := readFormat(ctx, store); found || err != nil {
		return false, err
	}
	for _, err := range store.List(ctx, "", storage.ListOptions{Deep: true}) {
		return err == nil, err
	}
	return false, nil
}

// createFormat writes the format of a store that has none. Of two processes that write one at once one wins. A store
// that has one is only read, so that a start does not wait for a writer that stands still.
func createFormat(ctx context.Context, store storage.Store, metadata string, lost func(context.Context, storage.Store) (bool, error)) (formatRecord, error) {
	if format, found, err := readFormat(ctx, store); err != nil {
		return format, err
	} else if found {
		_, err := store.Revive(ctx, formatKey) // whoever wrote it may not have synced it yet
		return format, err
	}
	id := newNonce()
	if metadata == "" {
		metadata = id
	}
	version := formatVersion
	gone, err := lost(ctx, store)
	if err != nil {
		return formatRecord{}, err
	}
	if gone {
		version = 1 // nobody knows whether each of its tags has an entry: the collector sees to it
	}
	data, err := formatRecord{Format: version, ID: id, Metadata: metadata}.pack()
	if err != nil {
		return formatRecord{}, err
	}
	_, err = store.Put(ctx, formatKey, data, storage.PutOptions{IfAbsent: true})
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return formatRecord{}, err
	}
	format, _, err := readFormat(ctx, store)
	return format, err
}

func (r *core) checkFormat(ctx context.Context) error {
	metadata, created, err := readFormat(ctx, r.metadata)
	if err != nil {
		return fmt.Errorf("metadata store: %w", err)
	}
	blobs, blobsCreated, err := readFormat(ctx, r.blobs)
	if err != nil {
		return fmt.Errorf("blob store: %w", err)
	}
	if blobsCreated && (!created || blobs.Metadata != metadata.ID) {
		return fmt.Errorf("blob store: it belongs to metadata store %s, and storage.metadata is another one; name the right one", blobs.Metadata)
	}
	return nil
}

func readFormat(ctx context.Context, store storage.Store) (format formatRecord, created bool, err error) {
	value, err := store.Get(ctx, formatKey)
	if errors.Is(err, storage.ErrNotExist) {
		return format, false, nil
	}
	if err != nil {
		return format, false, err
	}
	format, err = parseFormat(value.Data)
	return format, err == nil, err
}

func parseFormat(data []byte) (format formatRecord, err error) {
	if err := json.Unmarshal(data, &format); err != nil {
		return format, fmt.Errorf("read %s: %w", formatKey, err)
	}
	if format.Format < 1 || format.ID == "" || format.Metadata == "" {
		return format, fmt.Errorf("%s is damaged: want a format and the ids of the stores, got format %d, id %q and metadata %q; restore it from a backup",
			formatKey, format.Format, format.ID, format.Metadata)
	}
	if format.Format > formatVersion {
		return format, fmt.Errorf("it has format %d and this sreg reads up to %d; use a newer sreg", format.Format, formatVersion)
	}
	return format, nil
}

func (f formatRecord) pack() ([]byte, error) {
	data, err := json.Marshal(f)
	return append(data, '\n'), err
}

// Created tells whether the metadata store was created: a folder that is missing or empty was not.
func (m *Maintenance) Created(ctx context.Context) (bool, error) {
	_, created, err := readFormat(ctx, m.metadata)
	return created, err
}

// ConditionalWrites tells whether both stores honour conditional writes. Without them nothing may be
// collected while somebody writes. It asks a store that has not been asked yet.
func (m *Maintenance) ConditionalWrites(ctx context.Context) (bool, error) {
	for _, store := range m.eachStore() {
		if honours, err := conditionalWrites(ctx, store); err != nil || !honours {
			return false, err
		}
	}
	return true, nil
}

// ConditionalTags is ConditionalWrites of the metadata store alone. Without them no tag is immutable.
func (m *Maintenance) ConditionalTags(ctx context.Context) (bool, error) {
	return conditionalWrites(ctx, m.metadata)
}

func conditionalWrites(ctx context.Context, store storage.Store) (bool, error) {
	if store.Features().ConditionalWrites {
		return true, nil
	}
	if err := store.Probe(ctx); err != nil {
		return false, fmt.Errorf("find out whether the store honours conditional writes: %w", err)
	}
	return store.Features().ConditionalWrites, nil
}
