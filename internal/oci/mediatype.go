package oci

import "strings"

// The media types that sreg reads, and not only keeps.
const (
	MediaTypeImageManifest = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeImageIndex    = "application/vnd.oci.image.index.v1+json"
	MediaTypeImageConfig   = "application/vnd.oci.image.config.v1+json"
	MediaTypeEmptyJSON     = "application/vnd.oci.empty.v1+json"

	MediaTypeDockerManifest      = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerManifestList  = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeDockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	MediaTypeDockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

const (
	nonDistributablePrefix = "application/vnd.oci.image.layer.nondistributable."
	dockerForeignPrefix    = "application/vnd.docker.image.rootfs.foreign."
)

// IsNonDistributable tells whether a layer of the type may be elsewhere alone, at its URLs.
func IsNonDistributable(mediaType string) bool {
	return strings.HasPrefix(mediaType, nonDistributablePrefix) || strings.HasPrefix(mediaType, dockerForeignPrefix)
}

// kind is how a manifest of some media type is read.
type kind uint8

const (
	kindOther   kind = iota // kept as it came
	kindImage               // a config and layers
	kindIndex               // manifests
	kindSchema1             // refused
)

// kindOf ignores case, because other readers may: what they take for an image must be one here.
func kindOf(mediaType string) (k kind, canonical string) {
	for _, known := range [...]struct {
		mediaType string
		kind      kind
	}{
		{MediaTypeImageManifest, kindImage},
		{MediaTypeImageIndex, kindIndex},
		{MediaTypeDockerManifest, kindImage},
		{MediaTypeDockerManifestList, kindIndex},
		{MediaTypeDockerSchema1, kindSchema1},
		{MediaTypeDockerSchema1Signed, kindSchema1},
	} {
		if strings.EqualFold(mediaType, known.mediaType) {
			return known.kind, known.mediaType
		}
	}
	return kindOther, mediaType
}

// Active tells whether browsers run, or show as a page, what has this media type: text, XML and scripts.
func Active(mediaType string) bool {
	mediaType = strings.ToLower(mediaType)
	main, sub, _ := strings.Cut(mediaType, "/")
	return main == "text" || sub == "xml" || strings.HasSuffix(sub, "+xml") || strings.HasSuffix(sub, "javascript") ||
		strings.HasSuffix(sub, "ecmascript") || main == "multipart" || sub == "pdf"
}

// isMediaType follows RFC 6838, section 4.2: what passes is safe in a header.
func isMediaType(s string) bool {
	main, sub, ok := strings.Cut(s, "/")
	return ok && isRestrictedName(main) && isRestrictedName(sub)
}

func isRestrictedName(s string) bool {
	if s == "" || len(s) > 127 || !isAlnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte("!#$&-^_.+", s[i]) < 0 {
			return false
		}
	}
	return true
}
