package registry

import (
	"context"
	"fmt"

	"github.com/sreg-project/sreg/internal/oci"
)

// ReadTag reads what a tag stands for, past the caches. A record that cannot be read is ErrDamaged.
func (m *Maintenance) ReadTag(ctx context.Context, ns oci.Name, tag oci.Tag) (oci.Digest, error) {
	key := tagKey(ns, tag)
	object, err := m.metadata.Get(ctx, key)
	if err != nil {
		return oci.Digest{}, fmt.Errorf("read %s: %w", key, err)
	}
	value, _, err := parseTag(tagID{ns, tag}, object)
	if err != nil {
		return oci.Digest{}, damaged(key, err)
	}
	return value.Digest, nil
}

// CheckReferrer reads the entry of a referrer. One that cannot be read, or that describes something else,
// is ErrDamaged.
func (m *Maintenance) CheckReferrer(ctx context.Context, ns oci.Name, subject, referrer oci.Digest) error {
	key := referrerKey(ns, subject, referrer)
	entry, err := m.referrerEntry(ctx, key)
	if err == nil && entry.Digest != referrer {
		return damaged(key, fmt.Errorf("it describes %s", entry.Digest))
	}
	return err
}
