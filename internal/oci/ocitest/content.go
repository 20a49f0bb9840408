// Package ocitest makes content for tests: blobs, images, indexes and referrers, each with its digest and its
// media type.
// It promises that the same arguments make the same bytes, and that other names make other bytes.
// It must not know where content is stored, and reads and writes nothing.
package ocitest

import "github.com/sreg-project/sreg/internal/oci"

// LayerType is the media type of a layer that is not compressed.
const LayerType = "application/vnd.oci.image.layer.v1.tar"

// Content is what a descriptor can name.
type Content struct {
	MediaType string
	Text      string
	Digest    oci.Digest
}

// New is content with a SHA-256 digest.
func New(mediaType, text string) Content { return Content{mediaType, text, DigestOf(text)} }

// Config is the config of an image.
func Config(text string) Content { return New(oci.MediaTypeImageConfig, text) }

// Layer is a layer of an image. It need not be an archive.
func Layer(text string) Content { return New(LayerType, text) }

// Empty is the config of what is no image.
func Empty() Content { return New(oci.MediaTypeEmptyJSON, "{}") }

// Descriptor names the content.
func (c Content) Descriptor() oci.Descriptor {
	return oci.Descriptor{MediaType: c.MediaType, Digest: c.Digest, Size: int64(len(c.Text))}
}

// DigestOf is the SHA-256 digest of a text.
func DigestOf(text string) oci.Digest { return oci.DigestOf(oci.SHA256, []byte(text)) }

// Name is the name of a namespace. It panics where the text is none, as a test knows what it writes.
func Name(text string) oci.Name { return parsed(oci.ParseName(text)) }

// Tag is a tag, likewise.
func Tag(text string) oci.Tag { return parsed(oci.ParseTag(text)) }

func parsed[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
