package oci

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Manifest is what sreg reads in a manifest. Of a media type that it does not know it reads only the
// subject, the artifact type and the annotations.
type Manifest struct {
	MediaType string
	// ArtifactType is what a descriptor of this manifest carries among the referrers: its own, else,
	// for an image, the media type of its config.
	ArtifactType string
	Config       *Descriptor
	Layers       []Descriptor
	Manifests    []Descriptor
	Subject      *Descriptor
	Annotations  Annotations
}

// ParseManifest reads a manifest strictly: it refuses what another reader could understand in another way. A
// manifest that is wrong is ErrManifestInvalid with the path of what is wrong; Docker's schema 1 is
// ErrManifestUnsupported. The content type may be empty and may have parameters.
func ParseManifest(contentType string, body []byte) (Manifest, error) {
	return parseManifest(contentType, body, false)
}

// ParsePushed is ParseManifest for a manifest that is not stored yet: it may have no more annotations than fit into
// memory together with those of many others.
func ParsePushed(contentType string, body []byte) (Manifest, error) {
	return parseManifest(contentType, body, true)
}

func parseManifest(contentType string, body []byte, bounded bool) (Manifest, error) {
	announced, _, _ := strings.Cut(contentType, ";")
	announced = strings.TrimSpace(announced)
	if k, _ := kindOf(announced); k == kindSchema1 {
		return Manifest{}, errSchema1(announced)
	}
	doc, err := readDocument(body, bounded)
	if err != nil {
		return Manifest{}, invalid(err)
	}
	if doc.isSchema1(announced) {
		return Manifest{}, errSchema1("a body of its form")
	}
	mediaType, err := doc.resolve(announced)
	if err != nil {
		return Manifest{}, invalid(err)
	}
	m, err := doc.manifest(mediaType)
	if err != nil {
		return Manifest{}, invalid(err)
	}
	return m, nil
}

// invalid keeps only the text of an error: a malformed digest in a manifest is a fault of the
// manifest, not of the request's digest.
func invalid(err error) error { return fmt.Errorf("%w: %s", ErrManifestInvalid, err.Error()) }

func errSchema1(got string) error {
	return fmt.Errorf("%w: Docker schema 1 is not supported, push Docker schema 2 or OCI, got %s",
		ErrManifestUnsupported, got)
}

// isSchema1 looks at the keys of the body only where no other type was announced: elsewhere "signatures" may
// mean anything.
func (d *document) isSchema1(announced string) bool {
	if announced == "" {
		announced = d.mediaType
	}
	if k, _ := kindOf(d.mediaType); k == kindSchema1 {
		return true
	}
	if k, _ := kindOf(announced); k == kindOther && announced != "" && announced != "application/json" {
		return false
	}
	isTwo := d.has.schemaVersion && d.schemaVersion == 2
	isOne := d.has.schemaVersion && d.schemaVersion == 1
	return isOne || d.has.fsLayers || d.has.signatures && !isTwo
}

// resolve finds the media type, on which Content-Type and body have to agree. Older clients send neither; then
// it follows from the keys.
func (d *document) resolve(announced string) (string, error) {
	if announced != "" && d.mediaType != "" && announced != d.mediaType {
		return "", at("mediaType", fmt.Errorf("want what Content-Type says, %s, got %s", quote(announced), quote(d.mediaType)))
	}
	for _, mediaType := range []string{announced, d.mediaType} {
		if mediaType != "" {
			return mediaType, checkMediaType(mediaType)
		}
	}
	switch {
	case d.has.manifests && !d.hasLayers() && !d.hasConfig():
		return MediaTypeImageIndex, nil
	case d.has.layers && d.has.config && !d.hasManifests():
		return MediaTypeImageManifest, nil
	}
	return "", at("mediaType", errors.New("want it here or in Content-Type, got neither"))
}

func checkMediaType(got string) error {
	if !isMediaType(got) {
		return at("mediaType", fmt.Errorf("want type/subtype as RFC 6838 has it, got %s", quote(got)))
	}
	if _, canonical := kindOf(got); canonical != got {
		return at("mediaType", fmt.Errorf("want %s, got %s", canonical, quote(got)))
	}
	return nil
}

func (d *document) manifest(mediaType string) (Manifest, error) {
	m := Manifest{
		MediaType:    mediaType,
		ArtifactType: d.artifactType,
		Subject:      d.subject,
		Annotations:  d.annotations,
	}
	k, _ := kindOf(mediaType)
	if k == kindOther {
		return m, nil
	}
	if err := d.checkVersion(); err != nil {
		return Manifest{}, err
	}
	if k == kindIndex {
		m.Manifests = d.manifests
		return m, d.checkIndex()
	}
	if err := d.checkImage(); err != nil {
		return Manifest{}, err
	}
	m.Config, m.Layers = d.config, d.layers
	if m.ArtifactType == "" {
		m.ArtifactType = d.config.MediaType
	}
	return m, nil
}

func (d *document) checkVersion() error {
	if d.malformed != nil {
		return d.malformed
	}
	if !d.has.schemaVersion {
		return at("schemaVersion", errors.New("want 2, got none"))
	}
	if d.schemaVersion != 2 {
		return at("schemaVersion", fmt.Errorf("want 2, got %d", d.schemaVersion))
	}
	return nil
}

func (d *document) checkIndex() error {
	switch {
	case !d.has.manifests:
		return at("manifests", errors.New("want an array, got none"))
	case d.hasLayers():
		return at("layers", errors.New("want none in an index, got it beside manifests"))
	case d.hasConfig():
		return at("config", errors.New("want none in an index, got it beside manifests"))
	}
	return nil
}

func (d *document) checkImage() error {
	switch {
	case d.hasManifests():
		return at("manifests", errors.New("want none in an image, got it"))
	case d.config == nil:
		return at("config", errors.New("want a descriptor, got none"))
	case !d.has.layers:
		return at("layers", errors.New("want an array, got none"))
	}
	return nil
}

func (d *document) hasConfig() bool    { return d.has.config && !d.null.config }
func (d *document) hasLayers() bool    { return d.has.layers && !d.null.layers }
func (d *document) hasManifests() bool { return d.has.manifests && !d.null.manifests }

// Opaque says that sreg does not know the type of the manifest, nor what the manifest names.
func (m Manifest) Opaque() bool {
	k, _ := kindOf(m.MediaType)
	return k == kindOther
}

// Blobs are the blobs that must be there before the manifest may be pushed: the config and the layers, without
// the layers that are elsewhere, at their URLs. A digest that the manifest has twice is listed twice.
func (m Manifest) Blobs() []Descriptor {
	if m.Config == nil {
		return nil
	}
	blobs := make([]Descriptor, 0, 1+len(m.Layers))
	blobs = append(blobs, *m.Config)
	for _, layer := range m.Layers {
		if !IsNonDistributable(layer.MediaType) || len(layer.URLs) == 0 {
			blobs = append(blobs, layer)
		}
	}
	return blobs
}

// Children are what must be there before an index may be pushed: manifests, or blobs. What each of them is, is what the
// namespace holds under its digest.
func (m Manifest) Children() []Descriptor { return slices.Clip(m.Manifests) }
