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
	report, err := m.readIfThere(ctx, reportKey)
	if err == nil && report != nil && !json.Valid(report) {
		err = damaged(reportKey, errors.New("it is no JSON"))
	}
	if err != nil {
		return nil, fmt.Errorf("read report of the collector: %w", err)
	}
	return report, nil
}

// readIfThere reads an object of the metadata store whole, nil if there is none.
func (r *core) readIfThere(ctx context.Context, key string) ([]byte, error) {
	value, err := r.metadata.Get(ctx, key)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil
	}
	return value.Data, err
}

// KeepReport stores the report of the collector.
func (m *Maintenance) KeepReport(ctx context.Context, report []byte) error {
	return m.keep(ctx, reportKey, "report of the collector", report)
}

func (m *Maintenance) keep(ctx context.Context, key, what string, data []byte) error {
	if _, err := m.metadata.Put(ctx, key, data, storage.PutOptions{}); err != nil {
		return fmt.Errorf("keep %s: %w", what, err)
	}
	return nil
}

// ClaimCollector makes the caller the one collector of the stores, until it is released or its process
// ends. Another one gets a *ClaimedError with the note of the holder.
func (m *Maintenance) ClaimCollector(ctx context.Context, note string) (held context.Context, release func(), err error) {
	return m.metadata.Claim(ctx, "collect", note)
}

// VerifyState reads how far an interrupted verification came, nil if there is none. Its content is the verifier's.
func (m *Maintenance) VerifyState(ctx context.Context) ([]byte, error) {
	state, err := m.readIfThere(ctx, verifyKey)
	if err != nil {
		return nil, fmt.Errorf("read how far the last verification came: %w", err)
	}
	return state, nil
}

// KeepVerifyState stores how far a verification came.
func (m *Maintenance) KeepVerifyState(ctx context.Context, state []byte) error {
	return m.keep(ctx, verifyKey, "how far the verification came", state)
}

// DropVerifyState removes it: the verification has ended.
func (m *Maintenance) DropVerifyState(ctx context.Context) error {
	if err := m.metadata.Delete(ctx, verifyKey, storage.DeleteOptions{}); err != nil {
		return fmt.Errorf("remove how far the verification came: %w", err)
	}
	return nil
}

// ClaimVerify makes the caller the one verification of the stores.
func (m *Maintenance) ClaimVerify(ctx context.Context, note string) (held context.Context, release func(), err error) {
	return m.metadata.Claim(ctx, "verify", note)
}
