package ocitest

import (
	"encoding/json"

	"github.com/sreg-project/sreg/internal/oci"
)

// Manifest is a manifest with the content that it names, which has to be pushed before it.
type Manifest struct {
	Content
	Config   Content // of an image
	Layers   []Content
	Children []Manifest // of an index

	document Document
}

// Image is an image of one layer.
func Image(name string) Manifest { return ImageOf(Config("config "+name), Layer("layer "+name)) }

// ImageOf is an image of a config and layers.
func ImageOf(config Content, layers ...Content) Manifest {
	about := config.Descriptor()
	m := Document{SchemaVersion: 2, MediaType: oci.MediaTypeImageManifest, Config: &about, Layers: descriptors(layers)}.Manifest()
	m.Config, m.Layers = config, layers
	return m
}

// Index is an index of manifests.
func Index(children ...Manifest) Manifest {
	var contents []Content
	for _, child := range children {
		contents = append(contents, child.Content)
	}
	m := Document{SchemaVersion: 2, MediaType: oci.MediaTypeImageIndex, Manifests: descriptors(contents)}.Manifest()
	m.Children = children
	return m
}

// Referrer is an artifact without content of its own that has a subject.
func Referrer(subject Manifest, artifactType string) Manifest {
	about := subject.Descriptor()
	return ImageOf(Empty()).Change(func(d *Document) { d.ArtifactType, d.Subject = artifactType, &about })
}

// SBOM is a manifest of a media type that no specification knows: a registry reads its subject alone.
func SBOM(subject Manifest) Manifest {
	return Manifest{Content: Content{MediaType: "application/vnd.example.sbom+json"}}.Refer(subject)
}

// Note is the same manifest with an annotation: other notes make other manifests.
func (m Manifest) Note(text string) Manifest {
	return m.Change(func(d *Document) { d.Annotations = map[string]string{"org.example.note": text} })
}

// Refer is the same manifest with a subject.
func (m Manifest) Refer(subject Manifest) Manifest {
	about := subject.Descriptor()
	return m.Change(func(d *Document) { d.Subject = &about })
}

// Change is the manifest after a change of its document.
func (m Manifest) Change(change func(*Document)) Manifest {
	change(&m.document)
	if m.document.MediaType != "" {
		m.MediaType = m.document.MediaType
	}
	m.Content = New(m.MediaType, m.document.text())
	return m
}

// Blobs are all blobs that an image names.
func (m Manifest) Blobs() []Content {
	if m.Config.MediaType == "" {
		return nil
	}
	return append([]Content{m.Config}, m.Layers...)
}

func descriptors(contents []Content) []oci.Descriptor {
	list := make([]oci.Descriptor, len(contents))
	for i, content := range contents {
		list[i] = content.Descriptor()
	}
	return list
}

// Document is a manifest as it is written down.
type Document struct {
	SchemaVersion int               `json:"schemaVersion,omitzero"`
	MediaType     string            `json:"mediaType,omitzero"`
	ArtifactType  string            `json:"artifactType,omitzero"`
	Config        *oci.Descriptor   `json:"config,omitzero"`
	Layers        []oci.Descriptor  `json:"layers,omitzero"`
	Manifests     []oci.Descriptor  `json:"manifests,omitzero"`
	Subject       *oci.Descriptor   `json:"subject,omitzero"`
	Annotations   map[string]string `json:"annotations,omitzero"`
}

// Manifest is the document as content.
func (d Document) Manifest() Manifest { return Manifest{document: d}.Change(func(*Document) {}) }

func (d Document) text() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return string(text)
}
