package worlds

import (
	"time"

	"github.com/sreg-project/sreg/internal/oci"
)

// inherited is how many layers an image takes over from the one before it, as a rebuild does.
const inherited = 3

// filling is a namespace while it is written.
type filling struct {
	world World
	plan  plan
	bases int
	to    layout

	stock    Stock
	linked   map[oci.Digest]bool
	images   []manifest
	rest     []blob // the own layers of the image before
	blobs    int    // the own blobs that are written
	manifest int    // the number of the next one, over the whole world
}

// writeShared writes the blobs that belong to no namespace alone.
func (w World) writeShared(s shared, to layout) (Stock, error) {
	for i := range s.bases {
		if err := to.blob(w.layer(i)); err != nil {
			return Stock{}, err
		}
	}
	if s.empty {
		if err := to.blob(emptyConfig()); err != nil {
			return Stock{}, err
		}
	}
	return Stock{Blobs: s.blobs()}, nil
}

func (w World) writeNamespace(p plan, bases int, to layout) (Stock, error) {
	f := &filling{world: w, plan: p, bases: bases, to: to, linked: map[oci.Digest]bool{}, manifest: p.firstManifest}
	for _, step := range []func() error{f.putImages, f.putIndexes, f.putArtifacts, f.putGarbage} {
		if err := step(); err != nil {
			return Stock{}, err
		}
	}
	f.stock.Namespaces++
	return f.stock, to.namespace(p.name)
}

// putImages writes the images in their order: children of indexes, those that nothing names, those
// with a tag. The own blobs that the artifacts do not need are shared out among them.
func (f *filling) putImages() error {
	for i := range f.plan.images {
		_, own := deal(f.plan.own-f.plan.artifacts, f.plan.images, i)
		img, err := f.image(i, own)
		if err != nil {
			return err
		}
		named := i - f.plan.children()
		if named >= 0 && named < f.plan.untagged {
			f.stock.Untagged++
		}
		if named >= f.plan.untagged {
			img.tag = tagOf(i)
		}
		if err := f.put(img); err != nil {
			return err
		}
		f.images = append(f.images, img)
	}
	return nil
}

// image writes the own blobs of an image: layers, and a config, which counts as one.
func (f *filling) image(i, own int) (manifest, error) {
	number := f.plan.firstImage + i
	layers := []blob{f.world.layer(number % f.bases)}
	if second := (number + f.bases/2) % f.bases; f.bases > 1 {
		layers = append(layers, f.world.layer(second))
	}
	layers = append(layers, f.rest[:min(inherited, len(f.rest))]...)
	f.rest = nil
	for range own - 1 {
		layer := f.nextLayer()
		if err := f.write(layer); err != nil {
			return manifest{}, err
		}
		f.rest = append(f.rest, layer)
	}
	layers = append(layers, f.rest...)
	config := imageConfig(number, f.world.Seed, layers)
	if err := f.write(config); err != nil {
		return manifest{}, err
	}
	for _, b := range append(layers, config) {
		if err := f.link(b.digest); err != nil {
			return manifest{}, err
		}
	}
	return imageManifest(config, layers), nil
}

func (f *filling) putIndexes() error {
	for i := range f.plan.indexes {
		index := indexOf(f.images[2*i], f.images[2*i+1])
		index.tag = "multi-" + tagOf(i)
		if err := f.put(index); err != nil {
			return err
		}
	}
	return nil
}

// putArtifacts lets each artifact refer to an image with a tag.
func (f *filling) putArtifacts() error {
	first := f.plan.children() + f.plan.untagged
	for i := range f.plan.artifacts {
		content, subject := f.nextLayer(), f.images[first+i%(f.plan.images-first)]
		if err := f.write(content); err != nil {
			return err
		}
		for _, d := range []oci.Digest{content.digest, emptyConfig().digest} {
			if err := f.link(d); err != nil {
				return err
			}
		}
		if err := f.put(artifactOf(subject, content)); err != nil {
			return err
		}
		f.stock.Referrers++
	}
	return nil
}

func (f *filling) putGarbage() error {
	for range f.plan.garbage {
		b := f.nextLayer()
		if err := f.write(b); err != nil {
			return err
		}
		if err := f.link(b.digest); err != nil {
			return err
		}
		f.stock.Garbage++
	}
	return nil
}

// nextLayer is one that nobody has, by the number of the blob.
func (f *filling) nextLayer() blob { return f.world.layer(f.plan.firstBlob + f.blobs) }

func (f *filling) write(b blob) error {
	f.blobs++
	f.stock.Blobs++
	return f.to.blob(b)
}

func (f *filling) link(d oci.Digest) error {
	if f.linked[d] {
		return nil
	}
	f.linked[d] = true
	f.stock.Links++
	return f.to.link(f.plan.name, d)
}

func (f *filling) put(m manifest) error {
	age := time.Duration(f.world.Manifests-1-f.manifest) * time.Minute
	m.pushedAt = f.world.at().Add(-age)
	f.manifest++
	f.stock.Manifests++
	if m.tag != "" {
		f.stock.Tags++
	}
	return f.to.manifest(f.plan.name, m)
}
