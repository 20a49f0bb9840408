package registrytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// Fact is something that a Registry has acknowledged, so that it must be so from then on.
type Fact struct {
	Name  string
	Holds func(ctx context.Context, r *registry.Registry) error
}

// ImageIs says that a namespace holds an image and its blobs, and that each of the tags stands for it.
func ImageIs(ns oci.Name, m ocitest.Manifest, tags ...oci.Tag) []Fact {
	facts := []Fact{ManifestIs(ns, m.Text)}
	for _, tag := range tags {
		facts = append(facts, TagIs(ns, tag, m.Digest))
	}
	for _, blob := range m.Blobs() {
		facts = append(facts, BlobIs(ns, blob.Text))
	}
	return facts
}

// BlobIs says that a namespace holds a blob of that text.
func BlobIs(ns oci.Name, text string) Fact {
	d := ocitest.DigestOf(text)
	return Fact{
		Name: fmt.Sprintf("blob %s in %s", d, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			got, err := readBlob(ctx, r, ns, d)
			if err == nil && string(got) != text {
				err = fmt.Errorf("want %d bytes, got %d others", len(text), len(got))
			}
			return err
		},
	}
}

// NoBlob says that a namespace does not hold a blob.
func NoBlob(ns oci.Name, d oci.Digest) Fact {
	return Fact{
		Name: fmt.Sprintf("no blob %s in %s", d, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			_, err := readBlob(ctx, r, ns, d)
			return want(err, registry.ErrBlobUnknown)
		},
	}
}

// ManifestIs says that a namespace holds a manifest, and stands in the catalog.
func ManifestIs(ns oci.Name, text string) Fact {
	d := ocitest.DigestOf(text)
	return Fact{
		Name: fmt.Sprintf("manifest %s in %s", d, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			m, err := r.GetManifest(ctx, ns, oci.Reference{Digest: d})
			if err != nil {
				return err
			}
			if string(m.Content) != text {
				return fmt.Errorf("want %d bytes, got %d others", len(text), len(m.Content))
			}
			names, _, err := r.Catalog(ctx, registry.Cursor{}, 1000, ShowIf(func(oci.Name) bool { return true }))
			if err == nil && !slices.Contains(names, ns.String()) {
				err = fmt.Errorf("the catalog lists %q", names)
			}
			return err
		},
	}
}

// NoManifest says that a namespace does not hold a manifest.
func NoManifest(ns oci.Name, d oci.Digest) Fact {
	return Fact{
		Name: fmt.Sprintf("no manifest %s in %s", d, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			_, err := r.GetManifest(ctx, ns, oci.Reference{Digest: d})
			return want(err, registry.ErrManifestUnknown)
		},
	}
}

// TagIs says that a tag stands for one of some manifests.
func TagIs(ns oci.Name, tag oci.Tag, oneOf ...oci.Digest) Fact {
	return Fact{
		Name: fmt.Sprintf("tag %s in %s", tag, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			m, err := r.GetManifest(ctx, ns, oci.Reference{Tag: tag})
			if err != nil {
				return err
			}
			if !slices.Contains(oneOf, m.Digest) {
				return fmt.Errorf("want one of %s, got %s", oneOf, m.Digest)
			}
			tags, _, err := r.ListTags(ctx, ns, "", 1<<20)
			if err == nil && !slices.Contains(tags, tag.String()) {
				err = fmt.Errorf("the namespace lists %q", tags)
			}
			return err
		},
	}
}

// NoTag says that a namespace does not have a tag.
func NoTag(ns oci.Name, tag oci.Tag) Fact {
	return Fact{
		Name: fmt.Sprintf("no tag %s in %s", tag, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			_, err := r.GetManifest(ctx, ns, oci.Reference{Tag: tag})
			return want(err, registry.ErrManifestUnknown)
		},
	}
}

// Referrers lists the manifests that refer to a subject.
func Referrers(ctx context.Context, r *registry.Registry, ns oci.Name, subject oci.Digest) ([]oci.Digest, error) {
	var all []oci.Digest
	for one, err := range r.Referrers(ctx, ns, subject) {
		if err != nil {
			return nil, err
		}
		all = append(all, one.Digest)
	}
	return all, nil
}

// ReferrerIs says that a manifest stands among the referrers of a subject.
func ReferrerIs(ns oci.Name, subject, referrer oci.Digest) Fact {
	return Fact{
		Name: fmt.Sprintf("referrer %s of %s in %s", referrer, subject, ns),
		Holds: func(ctx context.Context, r *registry.Registry) error {
			all, err := Referrers(ctx, r, ns, subject)
			if err != nil {
				return err
			}
			if !slices.Contains(all, referrer) {
				return fmt.Errorf("not among %d referrers", len(all))
			}
			return nil
		},
	}
}

// NoReferrer says that a manifest does not stand among the referrers of a subject.
func NoReferrer(ns oci.Name, subject, referrer oci.Digest) Fact {
	there := ReferrerIs(ns, subject, referrer)
	return Fact{
		Name: "no " + there.Name,
		Holds: func(ctx context.Context, r *registry.Registry) error {
			if there.Holds(ctx, r) == nil {
				return errors.New("it is listed")
			}
			return nil
		},
	}
}

func want(got, want error) error {
	if errors.Is(got, want) {
		return nil
	}
	return fmt.Errorf("want %w, got %w", want, got)
}

func readBlob(ctx context.Context, r *registry.Registry, ns oci.Name, d oci.Digest) ([]byte, error) {
	blob, err := r.OpenBlob(ctx, ns, d)
	if err != nil {
		return nil, err
	}
	defer blob.Content.Close()
	return io.ReadAll(blob.Content)
}
