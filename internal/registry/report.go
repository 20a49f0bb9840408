package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/storage"
)

// Report reads the last report of the collector, nil if it never ran. Its content is the collector's.
func (m *Maintenance) Report(ctx context.Context) ([]byte, error) {
	value, err := m.metadata.Get(ctx, reportKey)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read report of the collector: %w", err)
	}
	if !json.Valid(value.Data) {
		return nil, fmt.Errorf("read report of the collector: %w", damaged(reportKey, errors.New("it is no JSON")))
	}
	return value.Data, nil
}

// KeepReport stores the report of the collector.
func (m *Maintenance) KeepReport(ctx context.Context, report []byte) error {
	if _, err := m.metadata.Put(ctx, reportKey, report, storage.PutOptions{}); err != nil {
		return fmt.Errorf("keep report of the collector: %w", err)
	}
	return nil
}

// ClaimCollector makes the caller the one collector of the stores, until it is released or its process
// ends. Another one gets a *ClaimedError with the note of the holder.
func (m *Maintenance) ClaimCollector(ctx context.Context, note string) (held context.Context, release func(), err error) {
	return m.metadata.Claim(ctx, "collect", note)
}
