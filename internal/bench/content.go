package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/rand/v2"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
	emptyType    = "application/vnd.oci.empty.v1+json"
	bytesType    = "application/octet-stream"
)

// blob is bytes that no registry has seen, in two parts so that many large ones share the first.
type blob struct {
	head, tail []byte
	digest     string
}

// blobs makes blobs of one size that differ in their last eight bytes. The shared part is made and
// hashed once: a hundred blobs of 100 MiB cost what one costs.
type blobs struct {
	head  []byte
	state hash.Cloner
}

func newBlobs(size int, seed uint64) (*blobs, error) {
	head := randomBytes(size-8, seed)
	state, ok := sha256.New().(hash.Cloner)
	if !ok {
		return nil, fmt.Errorf("hash blobs: the state of sha256 cannot be copied")
	}
	_, _ = state.Write(head) // a hash takes everything
	return &blobs{head: head, state: state}, nil
}

func (b *blobs) make(n uint64) (blob, error) {
	tail := binary.BigEndian.AppendUint64(nil, n)
	state, err := b.state.Clone()
	if err != nil {
		return blob{}, fmt.Errorf("hash blob %d: %w", n, err)
	}
	_, _ = state.Write(tail)
	return blob{head: b.head, tail: tail, digest: "sha256:" + hex.EncodeToString(state.Sum(nil))}, nil
}

// randomBytes are the same in every run, and nothing compresses or de-duplicates them.
func randomBytes(size int, seed uint64) []byte {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(data) // never fails
	return data
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func blobOf(data []byte) blob { return blob{head: data, digest: digestOf(data)} }

// image is one layer, its config and its manifest.
type image struct {
	config, layer blob
	manifest      []byte
	digest        string
}

func newImage(layerSize int, seed uint64) image {
	layer := blobOf(randomBytes(layerSize, seed))
	config := blobOf(fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`, layer.digest))
	manifest := fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		manifestType, configType, config.digest, len(config.head), layerType, layer.digest, len(layer.head))
	return image{config: config, layer: layer, manifest: manifest, digest: digestOf(manifest)}
}

func newImages(layerSize, n int, seed uint64) []image {
	images := make([]image, n)
	for i := range images {
		images[i] = newImage(layerSize, seed+uint64(i))
	}
	return images
}

// newReferrer is an artifact without content of its own, which says something about the subject.
func newReferrer(subject image, config blob, n int) []byte {
	return fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.sbom","config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}],"subject":{"mediaType":%q,"digest":%q,"size":%d},"annotations":{"org.example.number":"%d"}}`,
		manifestType, emptyType, config.digest, len(config.head), emptyType, config.digest, len(config.head),
		manifestType, subject.digest, len(subject.manifest), n)
}

// numbered is the manifest of an image with a number in it, so that its digest is another one.
func numbered(img image, n int) []byte {
	head := bytes.TrimSuffix(img.manifest, []byte("}"))
	return fmt.Appendf(bytes.Clone(head), `,"annotations":{"org.example.number":"%d"}}`, n)
}
