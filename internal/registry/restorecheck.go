package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// check tells whether a manifest could be restored, and notes what would be.
func (rs *restoring) check(ctx context.Context, d oci.Digest) error {
	missing, err := rs.missing(ctx, d, visited{})
	if err != nil {
		return err
	}
	if len(missing) > 0 && rs.m.config.MissingReferences != "allow" {
		return fmt.Errorf("restore manifest %s in %s: %w", d, rs.Namespace, &MissingError{Digests: missing})
	}
	return nil
}

// missing lists what a manifest needs and neither the namespace nor its trash holds any more.
func (rs *restoring) missing(ctx context.Context, d oci.Digest, seen visited) (missing []oci.Digest, err error) {
	if !seen.add(d) {
		return nil, nil
	}
	m, err := rs.find(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, blob := range m.parsed.Blobs() {
		err := rs.checkBlob(ctx, blob.Digest)
		var gone *MissingError
		if errors.As(err, &gone) {
			missing = append(missing, gone.Digests...)
		} else if err != nil {
			return nil, err
		}
	}
	for _, child := range m.parsed.Children() {
		lacks, err := rs.missing(ctx, child.Digest, seen)
		if errors.Is(err, ErrNotInTrash) {
			err = rs.checkBlob(ctx, child.Digest)
		}
		var gone *MissingError
		if errors.As(err, &gone) {
			lacks = gone.Digests
		} else if err != nil {
			return nil, err
		}
		missing = append(missing, lacks...)
	}
	if m.gone {
		rs.addDone(Restored{Kind: KindManifest, Digest: d})
	}
	return missing, nil
}

// checkBlob tells whether a blob is there or could be restored; if not it is a MissingError.
func (rs *restoring) checkBlob(ctx context.Context, d oci.Digest) error {
	lacks, err := rs.lacksBlob(ctx, d)
	if err != nil || !lacks {
		return err
	}
	_, kept := rs.trash.blobs[d]
	if kept {
		_, err = rs.m.blobs.Stat(ctx, blobKey(d))
	}
	if !kept || errors.Is(err, storage.ErrNotExist) {
		return &MissingError{Digests: []oci.Digest{d}}
	}
	if err != nil {
		return fmt.Errorf("read blob %s: %w", d, err)
	}
	rs.addDone(Restored{Kind: KindBlob, Digest: d})
	return nil
}

// lacksBlob tells whether the namespace has no link to a blob, or the blob has no bytes.
func (rs *restoring) lacksBlob(ctx context.Context, d oci.Digest) (bool, error) {
	_, err := rs.m.metadata.Stat(ctx, linkKey(rs.Namespace, d))
	if err == nil {
		_, err = rs.m.blobs.Stat(ctx, blobKey(d))
	}
	if errors.Is(err, storage.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read blob %s in %s: %w", d, rs.Namespace, err)
	}
	return false, nil
}

// visited are the manifests that a walk down an index has been to: two indexes may name one.
type visited map[oci.Digest]bool

// add tells whether a manifest is new.
func (v visited) add(d oci.Digest) bool {
	was := v[d]
	v[d] = true
	return !was
}

// isComplete tells whether a manifest is live, and all that it names and its referrer entry are there: then there is
// nothing to restore.
func (rs *restoring) isComplete(ctx context.Context, d oci.Digest, seen visited) (bool, error) {
	if !seen.add(d) {
		return true, nil
	}
	info, err := rs.m.metadata.Stat(ctx, revisionKey(rs.Namespace, d))
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read manifest %s in %s: %w", d, rs.Namespace, err)
	}
	if info.State != storage.Live {
		return false, nil
	}
	m, err := rs.find(ctx, d)
	if err != nil {
		return false, err
	}
	if m.parsed.Subject != nil {
		_, err := rs.m.metadata.Stat(ctx, referrerKey(rs.Namespace, m.parsed.Subject.Digest, d))
		if errors.Is(err, storage.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read referrer %s in %s: %w", d, rs.Namespace, err)
		}
	}
	for _, blob := range m.parsed.Blobs() {
		if lacks, err := rs.lacksBlob(ctx, blob.Digest); lacks || err != nil {
			return false, err
		}
	}
	for _, child := range m.parsed.Children() {
		if complete, err := rs.isChildComplete(ctx, child.Digest, seen); !complete || err != nil {
			return false, err
		}
	}
	return true, nil
}

// isChildComplete is isComplete for what an index names, which may be a blob.
func (rs *restoring) isChildComplete(ctx context.Context, d oci.Digest, seen visited) (bool, error) {
	complete, err := rs.isComplete(ctx, d, seen)
	if complete || err != nil {
		return complete, err
	}
	gone, err := rs.m.absent(ctx, rs.Namespace, d)
	if err != nil || !gone {
		return false, err
	}
	lacks, err := rs.lacksBlob(ctx, d)
	return err == nil && !lacks, err
}
