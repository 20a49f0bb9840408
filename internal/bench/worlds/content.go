package worlds

import (
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
)

// mediaTypeLayer is a layer that is not compressed, so that its digest is also the one in the config.
const (
	mediaTypeLayer    = "application/vnd.oci.image.layer.v1.tar"
	mediaTypeConfig   = "application/vnd.oci.image.config.v1+json"
	mediaTypeArtifact = "application/vnd.example.sbom+json"
)

type blob struct {
	content []byte
	digest  oci.Digest
}

func newBlob(content []byte) blob { return blob{content, oci.DigestOf(oci.SHA256, content)} }

func (b blob) describe(mediaType string) string {
	return descriptor(mediaType, b.digest, len(b.content))
}

// manifest is one revision of a namespace.
type manifest struct {
	blob
	mediaType string
	tag       string    // empty for none
	pushedAt  time.Time // when it came, as a registry would have written it down

	subject      oci.Digest // what it refers to
	artifactType string
}

func descriptor(mediaType string, d oci.Digest, size int) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, d, size)
}

// layer is a few bytes that only this world has under this number.
func (w World) layer(number int) blob {
	return newBlob(fmt.Appendf(nil, "layer %d of world %d\n", number, w.Seed))
}

func emptyConfig() blob { return newBlob([]byte("{}")) }

func tagOf(i int) string { return fmt.Sprintf("v%d.%d.%d", i/100, i/10%10, i%10) }

func imageConfig(number int, seed uint64, layers []blob) blob {
	text := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Labels":{"image":"%d","world":"%d"}},"rootfs":{"type":"layers","diff_ids":[`, number, seed)
	for i, l := range layers {
		if i > 0 {
			text = append(text, ',')
		}
		text = fmt.Appendf(text, "%q", l.digest)
	}
	return newBlob(append(text, "]}}"...))
}

func imageManifest(config blob, layers []blob) manifest {
	text := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[`,
		oci.MediaTypeImageManifest, config.describe(mediaTypeConfig))
	for i, l := range layers {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, l.describe(mediaTypeLayer)...)
	}
	return manifest{blob: newBlob(append(text, "]}"...)), mediaType: oci.MediaTypeImageManifest}
}

func indexOf(amd64, arm64 manifest) manifest {
	text := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[`, oci.MediaTypeImageIndex)
	for i, child := range []manifest{amd64, arm64} {
		if i > 0 {
			text = append(text, ',')
		}
		text = fmt.Appendf(text, `{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":%q}}`,
			child.mediaType, child.digest, len(child.content), []string{"amd64", "arm64"}[i])
	}
	return manifest{blob: newBlob(append(text, "]}"...)), mediaType: oci.MediaTypeImageIndex}
}

// artifactOf says something about an image, in one layer.
func artifactOf(subject manifest, content blob) manifest {
	text := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":%s,"layers":[%s],"subject":%s}`,
		oci.MediaTypeImageManifest, mediaTypeArtifact, emptyConfig().describe(oci.MediaTypeEmptyJSON),
		content.describe(mediaTypeArtifact), subject.describe(subject.mediaType))
	return manifest{
		blob: newBlob(text), mediaType: oci.MediaTypeImageManifest,
		subject: subject.digest, artifactType: mediaTypeArtifact,
	}
}
