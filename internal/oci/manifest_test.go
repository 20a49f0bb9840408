package oci_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sreg-project/sreg/internal/oci"
)

const (
	configJSON   = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":2}`
	layerJSON    = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","size":10}`
	foreignJSON  = `{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","size":10,"urls":["https://example.com/c"]}`
	manifestJSON = `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","size":7,"platform":{"architecture":"arm64","os":"linux","os.version":"1","os.features":["x"],"variant":"v8"},"data":"e30="}`

	imageBody = `{"schemaVersion":2,"config":` + configJSON + `,"layers":[` + layerJSON + `]}`
	indexBody = `{"schemaVersion":2,"manifests":[` + manifestJSON + `]}`
)

func TestParseManifestAccepts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		contentType string
		body        string
		want        string // its media type, artifact type, and numbers of blobs and children
	}{
		{"an OCI image", oci.MediaTypeImageManifest, imageBody, oci.MediaTypeImageManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
		{"an OCI index", oci.MediaTypeImageIndex, indexBody, oci.MediaTypeImageIndex + "  0 1"},
		{"a Docker image", oci.MediaTypeDockerManifest, imageBody, oci.MediaTypeDockerManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
		{"a Docker list", oci.MediaTypeDockerManifestList, indexBody, oci.MediaTypeDockerManifestList + "  0 1"},
		{"a content type with parameters", oci.MediaTypeImageIndex + " ; charset=utf-8", indexBody, oci.MediaTypeImageIndex + "  0 1"},
		{"an image by its shape", "", imageBody, oci.MediaTypeImageManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
		{"an index by its shape", "", indexBody, oci.MediaTypeImageIndex + "  0 1"},
		{"a media type in the body alone", "", withMember(indexBody, `"mediaType":"`+oci.MediaTypeDockerManifestList+`"`), oci.MediaTypeDockerManifestList + "  0 1"},
		{"a media type that agrees", oci.MediaTypeImageIndex, withMember(indexBody, `"mediaType":"`+oci.MediaTypeImageIndex+`"`), oci.MediaTypeImageIndex + "  0 1"},
		{"white space anywhere", oci.MediaTypeImageIndex, " \n" + strings.ReplaceAll(indexBody, `":`, "\" :\t") + "\r\n", oci.MediaTypeImageIndex + "  0 1"},
		{"members that it does not know", oci.MediaTypeImageIndex, withMember(indexBody, `"org.example":[{"a":-1.5e+7,"a":null},true,false,"\ud83d\ude00"]`), oci.MediaTypeImageIndex + "  0 1"},
		{"no layers", oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":` + configJSON + `,"layers":[]}`, oci.MediaTypeImageManifest + " " + oci.MediaTypeImageConfig + " 1 0"},
		{"null for no layers, as Go clients write it", oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":` + configJSON + `,"layers":null}`, oci.MediaTypeImageManifest + " " + oci.MediaTypeImageConfig + " 1 0"},
		{"null for what is optional", oci.MediaTypeImageManifest, withMember(imageBody, `"subject":null,"annotations":null,"artifactType":null,"mediaType":null`), oci.MediaTypeImageManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
		{"a foreign layer that need not be here", oci.MediaTypeDockerManifest, `{"schemaVersion":2,"config":` + configJSON + `,"layers":[` + foreignJSON + `,` + layerJSON + `]}`, oci.MediaTypeDockerManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
		{"a foreign layer without urls, which must be here", oci.MediaTypeDockerManifest, `{"schemaVersion":2,"config":` + configJSON + `,"layers":[` + strings.Replace(foreignJSON, `,"urls":["https://example.com/c"]`, "", 1) + `]}`, oci.MediaTypeDockerManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
		{"an artifact type of its own", oci.MediaTypeImageManifest, withMember(imageBody, `"artifactType":"application/x"`), oci.MediaTypeImageManifest + " application/x 2 0"},
		{"an empty config with an artifact type", oci.MediaTypeImageManifest, withMember(strings.Replace(imageBody, oci.MediaTypeImageConfig, oci.MediaTypeEmptyJSON, 1), `"artifactType":"application/x"`), oci.MediaTypeImageManifest + " application/x 2 0"},
		{"an empty config without an artifact type", oci.MediaTypeImageManifest, strings.Replace(imageBody, oci.MediaTypeImageConfig, oci.MediaTypeEmptyJSON, 1), oci.MediaTypeImageManifest + " " + oci.MediaTypeEmptyJSON + " 2 0"},
		{"a descriptor without a media type", oci.MediaTypeImageIndex, strings.Replace(indexBody, `"mediaType"`, `"x"`, 1), oci.MediaTypeImageIndex + "  0 1"},
		{"null beside what it could be confused with", oci.MediaTypeImageManifest, withMember(imageBody, `"manifests":null`), oci.MediaTypeImageManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
		{"null beside what it could be confused with, by its shape", "", withMember(imageBody, `"manifests":null`), oci.MediaTypeImageManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
		{"null beside an index, by its shape", "", withMember(indexBody, `"layers":null,"config":null`), oci.MediaTypeImageIndex + "  0 1"},
		{"an index with an artifact type", oci.MediaTypeImageIndex, withMember(indexBody, `"artifactType":"application/x"`), oci.MediaTypeImageIndex + " application/x 0 1"},
		{"another media type, whatever its members mean there", "application/vnd.example+json", `{"layers":"yes","config":7,"manifests":{},"Layers":[],"schemaVersion":"1.0","signatures":[]}`, "application/vnd.example+json  0 0"},
		{"another media type in the body alone", "", `{"mediaType":"application/vnd.example+json","signatures":[]}`, "application/vnd.example+json  0 0"},
		{"another media type with references, which are not followed", "application/vnd.example+json", imageBody, "application/vnd.example+json  0 0"},
		{"signatures in an OCI image, which only schema 1 gives a meaning", oci.MediaTypeImageManifest, withMember(imageBody, `"signatures":[]`), oci.MediaTypeImageManifest + " " + oci.MediaTypeImageConfig + " 2 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := oci.ParseManifest(tt.contentType, []byte(tt.body))
			if err != nil {
				t.Fatalf("ParseManifest(%q, %s): %v", tt.contentType, tt.body, err)
			}
			got := fmt.Sprintf("%s %s %d %d", m.MediaType, m.ArtifactType, len(m.Blobs()), len(m.Children()))
			if got != tt.want {
				t.Errorf("ParseManifest(%q, %s)\n got %s\nwant %s", tt.contentType, tt.body, got, tt.want)
			}
		})
	}
}

func TestParseManifestRefuses(t *testing.T) {
	t.Parallel()
	const image, index = oci.MediaTypeImageManifest, oci.MediaTypeImageIndex
	for _, tt := range []struct {
		name        string
		contentType string
		body        string
		want        string
	}{
		{"an empty body", image, ``, `offset 0: want an object, got the end`},
		{"what is not JSON", image, `hello`, `offset 0: want an object, got 'h'`},
		{"an array", image, `[]`, `offset 0: want an object, got '['`},
		{"null", "application/vnd.example+json", `null`, `offset 0: want an object, got 'n'`},
		{"bytes after the end", image, imageBody + `{}`, `want the end of the document, got '{'`},
		{"a body that was cut short", image, imageBody[:len(imageBody)-1], `want ',' or '}', got the end`},
		{"a trailing comma", image, `{"a":1,}`, `offset 7: want a string, got '}'`},
		{"a byte order mark", image, "\ufeff" + imageBody, `offset 0: want an object`},
		{"bytes that are not UTF-8", image, withMember(imageBody, "\"a\":\"\xff\""), `want valid UTF-8`},
		{"half a surrogate pair", image, withMember(imageBody, `"a":"\ud800"`), `want a whole surrogate pair`},
		{"an escape that JSON does not have", image, withMember(imageBody, `"a":"\x41"`), `want an escape of JSON`},
		{"a line feed in a string", image, withMember(imageBody, "\"a\":\"\n\""), `want no control character`},
		{"a number with a leading zero", image, withMember(imageBody, `"a":01`), `want ',' or '}', got '1'`},
		{"objects that nest too deep", image, withMember(imageBody, `"a":`+strings.Repeat(`{"a":`, 64)), `want at most 64 levels`},
		{"four mebibytes of open brackets", image, withMember(imageBody, `"a":`+strings.Repeat("[", 4<<20)), `want at most 64 levels`},
		{"a key twice", image, withMember(imageBody, `"layers":[]`), `layers: want each key once, got it twice`},
		{"a key twice, once escaped", image, withMember(imageBody, `"\u006cayers":[]`), `layers: want each key once, got it twice`},
		{"an unknown key twice", image, withMember(imageBody, `"a":1,"a":1`), `a: want each key once, got it twice`},
		{"a key twice in a descriptor", image, strings.Replace(imageBody, `"size":10`, `"size":10,"size":11`, 1), `layers[0].size: want each key once, got it twice`},
		{"a key twice in the annotations", image, withMember(imageBody, `"annotations":{"a":"1","a":"2"}`), `annotations.a: want each key once, got it twice`},
		{"a key in another case", image, withMember(imageBody, `"Layers":[]`), `Layers: want the key spelt "layers", got another case`},
		{"a key in another case by a letter that folds to it", image, withMember(imageBody, `"manife`+"\u017f"+`ts":[]`), `want the key spelt "manifests", got another case`},
		{"a key in another case in a descriptor", image, strings.Replace(imageBody, `"size":10`, `"size":10,"Digest":""`, 1), `layers[0].Digest: want the key spelt "digest"`},
		{"a subject in another case, whatever the media type", "application/vnd.example+json", `{"Subject":{}}`, `Subject: want the key spelt "subject"`},
		{"manifests beside layers", image, withMember(imageBody, `"manifests":[]`), `manifests: want none in an image`},
		{"layers beside manifests", index, withMember(indexBody, `"layers":[]`), `layers: want none in an index`},
		{"a config beside manifests", index, withMember(indexBody, `"config":`+configJSON), `config: want none in an index`},
		{"manifests beside layers where the shape must tell", "", withMember(imageBody, `"manifests":[]`), `mediaType: want it here or in Content-Type`},
		{"a body with no shape where the shape must tell", "", `{}`, `mediaType: want it here or in Content-Type`},
		{"a media type that does not agree", image, withMember(imageBody, `"mediaType":"`+index+`"`), `mediaType: want what Content-Type says, "` + image + `", got "` + index + `"`},
		{"a known media type in another case", "application/vnd.OCI.image.index.v1+json", indexBody, `mediaType: want application/vnd.oci.image.index.v1+json, got "application/vnd.OCI`},
		{"a media type that breaks a header", "", `{"mediaType":"a/b\r\nX: y"}`, `mediaType: want type/subtype as RFC 6838 has it, got "a/b\r\nX: y"`},
		{"no schema version", image, strings.Replace(imageBody, `"schemaVersion":2,`, "", 1), `schemaVersion: want 2, got none`},
		{"schema version 3", index, strings.Replace(indexBody, `:2`, `:3`, 1), `schemaVersion: want 2, got 3`},
		{"a schema version that is a fraction", index, strings.Replace(indexBody, `:2`, `:2.0`, 1), `schemaVersion: want an integer of 64 bits, got "2.0"`},
		{"a schema version that is a string", index, strings.Replace(indexBody, `:2`, `:"2"`, 1), `schemaVersion: offset 17: want an integer, got '"'`},
		{"no config", image, `{"schemaVersion":2,"layers":[]}`, `config: want a descriptor, got none`},
		{"no layers", image, `{"schemaVersion":2,"config":` + configJSON + `}`, `layers: want an array, got none`},
		{"no manifests", index, `{"schemaVersion":2}`, `manifests: want an array, got none`},
		{"layers that are an object", image, `{"schemaVersion":2,"config":` + configJSON + `,"layers":{}}`, `layers: offset`},
		{"a descriptor without a digest", image, strings.Replace(imageBody, `"digest":"sha256:b`, `"no":"sha256:b`, 1), `layers[0].digest: want a digest, got none`},
		{"a descriptor with a malformed digest", image, strings.Replace(imageBody, `sha256:bbbb`, `sha256:`, 1), `layers[0].digest: invalid digest: want 64 hex digits after sha256:, got 60`},
		{"a descriptor of another algorithm", image, strings.Replace(imageBody, `sha256:bbbb`, `md5:`, 1), `layers[0].digest: unsupported digest algorithm: want sha256 or sha512, got "md5"`},
		{"a descriptor without a size", image, strings.Replace(imageBody, `"size":10`, `"x":10`, 1), `layers[0].size: want a size in bytes, got none`},
		{"a descriptor with a negative size", image, strings.Replace(imageBody, `"size":10`, `"size":-10`, 1), `layers[0].size: want a size of 0 bytes or more, got -10`},
		{"a descriptor with a size beyond 64 bits", image, strings.Replace(imageBody, `"size":10`, `"size":9223372036854775808`, 1), `layers[0].size: want an integer of 64 bits`},
		{"a platform that is a string", index, strings.Replace(indexBody, `"os":"linux"`, `"os":7`, 1), `manifests[0].platform.os: offset`},
		{"urls that are a string", image, strings.Replace(imageBody, `"size":10`, `"size":10,"urls":"x"`, 1), `layers[0].urls: offset`},
		{"an annotation that is a number", image, withMember(imageBody, `"annotations":{"a":1}`), `annotations.a: offset`},
		{"a subject without a digest, whatever the media type", "application/vnd.example+json", `{"subject":{"mediaType":"a/b","size":1}}`, `subject.digest: want a digest, got none`},
		{"broken JSON in what another media type does not read", "application/vnd.example+json", `{"layers":[}`, `layers: offset 11: want a value, got '}'`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := oci.ParseManifest(tt.contentType, []byte(tt.body))
			if !errors.Is(err, oci.ErrManifestInvalid) {
				t.Fatalf("error = %v, want %v", err, oci.ErrManifestInvalid)
			}
			if got := strings.TrimPrefix(err.Error(), "invalid manifest: "); !strings.Contains(got, tt.want) {
				t.Errorf("error\n got %s\nwant %s", got, tt.want)
			}
			if errors.Is(err, oci.ErrDigestInvalid) {
				t.Errorf("error = %v, want a fault of the manifest alone", err)
			}
		})
	}
}

func TestParseManifestRefusesSchema1(t *testing.T) {
	t.Parallel()
	const body = `{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[],"signatures":[]}`
	for _, tt := range []struct {
		name        string
		contentType string
		body        string
	}{
		{"by its media type", oci.MediaTypeDockerSchema1, body},
		{"by its signed media type, before the body is read", oci.MediaTypeDockerSchema1Signed, "-"},
		{"by its media type in the body", "", `{"mediaType":"` + oci.MediaTypeDockerSchema1 + `"}`},
		{"by its version under an OCI type", oci.MediaTypeImageManifest, strings.Replace(imageBody, ":2", ":1", 1)},
		{"by its version alone", "", `{"schemaVersion":1}`},
		{"by its layers", oci.MediaTypeDockerManifest, `{"schemaVersion":2,"fsLayers":[]}`},
		{"by its signatures", "", `{"signatures":[]}`},
		{"under application/json, as old clients pushed it", "application/json", body},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := oci.ParseManifest(tt.contentType, []byte(tt.body))
			if !errors.Is(err, oci.ErrManifestUnsupported) || errors.Is(err, oci.ErrManifestInvalid) {
				t.Fatalf("error = %v, want %v", err, oci.ErrManifestUnsupported)
			}
			for _, want := range []string{"schema 1 is not supported", "push Docker schema 2 or OCI"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestParseManifestReadsWhatEncodingJSONReads(t *testing.T) {
	t.Parallel()
	body := withMember(indexBody, `"artifactType":"application/\u0078","annotations":{"a\n":"\ud83d\ude00","b":"\/é"},"subject":`+manifestJSON)
	got, err := oci.ParseManifest(oci.MediaTypeImageIndex, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := oci.Manifest{MediaType: oci.MediaTypeImageIndex}
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("ParseManifest\n got %+v\nwant %+v", got, want)
	}
}

// FuzzParseManifest holds that what is accepted means the same to a reader that is neither strict nor
// ours.
func FuzzParseManifest(f *testing.F) {
	for _, body := range []string{
		imageBody, indexBody, `{}`, `{"schemaVersion":1}`, `{"subject":` + manifestJSON + `}`, strings.Repeat("[", 100),
		withMember(imageBody, `"annotations":{"a":"\ud83d\ude00"},"x":[1.5e-3,null,true]`), withMember(imageBody, `"Layers":[]`),
	} {
		for _, contentType := range []string{"", oci.MediaTypeImageManifest, oci.MediaTypeImageIndex, "application/vnd.example+json; a=b"} {
			f.Add(contentType, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		m, err := oci.ParseManifest(contentType, body)
		if err != nil {
			if !errors.Is(err, oci.ErrManifestInvalid) && !errors.Is(err, oci.ErrManifestUnsupported) {
				t.Fatalf("ParseManifest(%q, %q) error = %v, want a named one", contentType, body, err)
			}
			if len(err.Error()) > 2*len(body)+2*len(contentType)+1000 {
				t.Fatalf("ParseManifest(%q, %q): an error of %d bytes", contentType, body, len(err.Error()))
			}
			return
		}
		if _, err := oci.ParsePushed(contentType, body); err != nil && !strings.Contains(err.Error(), "want at most") {
			t.Fatalf("ParsePushed(%q, %q) error = %v, want that of a bound or none", contentType, body, err)
		}
		if _, err := m.Annotations.Map(); err != nil {
			t.Fatalf("annotations of %q: %v", body, err)
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("ParseManifest(%q, %q) accepted what is not JSON", contentType, body)
		}
		if again, err := oci.ParseManifest(m.MediaType, body); err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("ParseManifest(%q, %q) by its own media type = %+v, %v, want %+v", m.MediaType, body, again, err, m)
		}
		sameToOthers(t, m, body)
	})
}

func sameToOthers(t *testing.T, m oci.Manifest, body []byte) {
	t.Helper()
	var other struct {
		Config, Subject   *struct{ Digest string }
		Layers, Manifests []struct{ Digest string }
	}
	if err := json.Unmarshal(body, &other); err != nil {
		if m.Config != nil || m.Manifests != nil {
			t.Fatalf("encoding/json refuses %q: %v", body, err)
		}
		return // of other media types, members may have any form
	}
	if m.Subject != nil && m.Subject.Digest.String() != other.Subject.Digest {
		t.Fatalf("subject of %q = %s, others read %s", body, m.Subject.Digest, other.Subject.Digest)
	}
	if m.Config != nil && m.Config.Digest.String() != other.Config.Digest {
		t.Fatalf("config of %q = %s, others read %s", body, m.Config.Digest, other.Config.Digest)
	}
	for i, layer := range m.Layers {
		if layer.Digest.String() != other.Layers[i].Digest {
			t.Fatalf("layer %d of %q = %s, others read %s", i, body, layer.Digest, other.Layers[i].Digest)
		}
	}
	for i, child := range m.Manifests {
		if child.Digest.String() != other.Manifests[i].Digest {
			t.Fatalf("manifest %d of %q = %s, others read %s", i, body, child.Digest, other.Manifests[i].Digest)
		}
	}
}

// BenchmarkParseManifest reads an image of ten layers. It allocates what it returns: two strings a
// descriptor, the growing slice of layers, and the functions that the scanner calls.
func BenchmarkParseManifest(b *testing.B) {
	layers := strings.TrimSuffix(strings.Repeat(layerJSON+",", 10), ",")
	body := []byte(`{"schemaVersion":2,"config":` + configJSON + `,"layers":[` + layers + `]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := oci.ParseManifest(oci.MediaTypeImageManifest, body); err != nil {
			b.Fatal(err)
		}
	}
}

// withMember adds members at the end of an object.
func withMember(body, members string) string {
	return strings.TrimSuffix(body, "}") + "," + members + "}"
}
