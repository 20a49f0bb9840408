package registrytest

import (
	"context"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// Target is what can be pushed to: a Registry, or a Fill.
type Target interface {
	StartUpload(ctx context.Context, ns oci.Name, algorithm oci.Algorithm, by string) (registry.Upload, error)
	CompleteUpload(ctx context.Context, ns oci.Name, id string, chunk registry.Chunk, d oci.Digest) error
	PutManifest(ctx context.Context, ns oci.Name, push registry.Push) (registry.Pushed, error)
}

// Pusher pushes to the core as one client does.
type Pusher struct {
	To Target
	By string
	// Acknowledged is told what each step that succeeded has made so; nil is nobody.
	Acknowledged func(...Fact)
}

// Push pushes a manifest with all that it names.
func (p Pusher) Push(ctx context.Context, ns oci.Name, m ocitest.Manifest, tags ...oci.Tag) error {
	for _, child := range m.Children {
		if err := p.Push(ctx, ns, child); err != nil {
			return err
		}
	}
	for _, blob := range m.Blobs() {
		if err := p.PushBlob(ctx, ns, blob); err != nil {
			return err
		}
	}
	return p.PushManifest(ctx, ns, m.Content, tags...)
}

// PushBlob uploads a blob in one piece.
func (p Pusher) PushBlob(ctx context.Context, ns oci.Name, blob ocitest.Content) error {
	upload, err := p.To.StartUpload(ctx, ns, blob.Digest.Algorithm(), p.By)
	if err != nil {
		return err
	}
	err = p.To.CompleteUpload(ctx, ns, upload.ID, registry.Chunk{Body: strings.NewReader(blob.Text), Start: -1}, blob.Digest)
	return p.acknowledge(err, BlobIs(ns, blob.Text))
}

// PushManifest puts a manifest whose content is there already.
func (p Pusher) PushManifest(ctx context.Context, ns oci.Name, m ocitest.Content, tags ...oci.Tag) error {
	_, err := p.To.PutManifest(ctx, ns, registry.Push{
		Digest: m.Digest, Tags: tags, ContentType: m.MediaType, Content: []byte(m.Text), By: p.By,
	})
	return p.acknowledge(err, ImageIs(ns, ocitest.Manifest{Content: m}, tags...)...)
}

func (p Pusher) acknowledge(err error, facts ...Fact) error {
	if err == nil && p.Acknowledged != nil {
		p.Acknowledged(facts...)
	}
	return err
}
