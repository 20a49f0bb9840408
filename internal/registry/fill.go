package registry

import (
	"context"

	"github.com/sreg-project/sreg/internal/oci"
)

// Fill writes into mirrors, which take no other writes, and nowhere else. It is what a cache writes by; it
// is a type of its own, so that nothing that serves clients can write there by mistake.
type Fill struct{ registry *Registry }

// Fill is the way for a cache to write what it fetched from an upstream registry.
func (r *Registry) Fill() Fill {
	return Fill{&Registry{core: r.core, filling: true}}
}

// PutManifest is that of Registry.
func (f Fill) PutManifest(ctx context.Context, ns oci.Name, push Push) (Pushed, error) {
	return f.registry.PutManifest(ctx, ns, push)
}

// StartUpload is that of Registry.
func (f Fill) StartUpload(ctx context.Context, ns oci.Name, algorithm oci.Algorithm, by string) (Upload, error) {
	return f.registry.StartUpload(ctx, ns, algorithm, by)
}

// AppendUpload is that of Registry.
func (f Fill) AppendUpload(ctx context.Context, ns oci.Name, id string, chunk Chunk) (Upload, error) {
	return f.registry.AppendUpload(ctx, ns, id, chunk)
}

// CompleteUpload is that of Registry.
func (f Fill) CompleteUpload(ctx context.Context, ns oci.Name, id string, chunk Chunk, d oci.Digest) error {
	return f.registry.CompleteUpload(ctx, ns, id, chunk, d)
}

// CancelUpload is that of Registry.
func (f Fill) CancelUpload(ctx context.Context, ns oci.Name, id string) error {
	return f.registry.CancelUpload(ctx, ns, id, nil)
}
