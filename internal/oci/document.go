package oci

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// document is what stands at the top of a manifest, before its media type has said what it means.
type document struct {
	mediaType    string
	artifactType string
	subject      *Descriptor
	annotations  map[string]string

	// The members below have a meaning in images and indexes only.
	schemaVersion int64
	config        *Descriptor
	layers        []Descriptor
	manifests     []Descriptor
	has           struct{ schemaVersion, config, layers, manifests, fsLayers, signatures bool }
	malformed     error // the first of them that has not the form it has there
}

// reader fills a document.
type reader struct {
	scanner
	doc document
}

func readDocument(body []byte) (document, error) {
	if !utf8.Valid(body) {
		return document{}, errors.New("want valid UTF-8, got other bytes")
	}
	r := reader{scanner: scanner{src: body}}
	if err := r.object(r.member); err != nil {
		return document{}, err
	}
	return r.doc, r.end()
}

func (r *reader) member(key []byte) (err error) {
	d := &r.doc
	switch string(key) {
	case "mediaType":
		d.mediaType, err = r.optionalText()
	case "artifactType":
		d.artifactType, err = r.optionalText()
	case "subject":
		d.subject, err = r.optionalDescriptor()
	case "annotations":
		d.annotations, err = r.optionalMap()
	default:
		if err := caseOfKnown(key, "mediaType", "artifactType", "subject", "annotations"); err != nil {
			return err
		}
		return r.imageMember(key)
	}
	return atKey(key, err)
}

// imageMember reads a member that has its meaning in images and indexes only: in a manifest of
// another type it may have any form, so what is wrong with it is kept until the type is known.
func (r *reader) imageMember(key []byte) error {
	start := r.scanner
	problem := r.readImageMember(key)
	if problem == nil {
		return nil
	}
	r.scanner = start
	if err := r.skip(); err != nil {
		return atKey(key, err)
	}
	if r.doc.malformed == nil {
		r.doc.malformed = problem
	}
	return nil
}

func (r *reader) readImageMember(key []byte) (err error) {
	d := &r.doc
	switch string(key) {
	case "schemaVersion":
		d.has.schemaVersion = true
		d.schemaVersion, err = r.integer()
	case "config":
		d.has.config = true
		d.config, err = r.optionalDescriptor()
	case "layers":
		d.has.layers = true
		d.layers, err = r.optionalDescriptors()
	case "manifests":
		d.has.manifests = true
		d.manifests, err = r.optionalDescriptors()
	case "fsLayers":
		d.has.fsLayers = true
		err = r.skip()
	case "signatures":
		d.has.signatures = true
		err = r.skip()
	default:
		return r.unknown(key, "schemaVersion", "config", "layers", "manifests", "fsLayers", "signatures")
	}
	return atKey(key, err)
}

// unknown steps over the value of a key that means nothing here, if no reader takes it for a known one.
func (r *reader) unknown(key []byte, known ...string) error {
	if err := caseOfKnown(key, known...); err != nil {
		return err
	}
	return atKey(key, r.skip())
}

// caseOfKnown refuses a key that a reader who ignores case, as encoding/json does, takes for a known
// one.
func caseOfKnown(key []byte, known ...string) error {
	for _, k := range known {
		if strings.EqualFold(string(key), k) {
			return atKey(key, fmt.Errorf("want the key spelt %q, got another case", k))
		}
	}
	return nil
}

func (r *reader) optionalDescriptors() ([]Descriptor, error) {
	if r.null() {
		return nil, nil
	}
	var all []Descriptor
	err := r.array(func(i int) error {
		d, err := r.descriptor()
		if err != nil {
			return at("["+strconv.Itoa(i)+"]", err)
		}
		all = append(all, d)
		return nil
	})
	return all, err
}

func (r *reader) optionalDescriptor() (*Descriptor, error) {
	if r.null() {
		return nil, nil
	}
	d, err := r.descriptor()
	if err != nil {
		return nil, err
	}
	return &d, nil
}

func (r *reader) descriptor() (Descriptor, error) {
	d := Descriptor{Size: -1}
	if err := r.object(func(key []byte) error { return r.descriptorMember(&d, key) }); err != nil {
		return Descriptor{}, err
	}
	switch {
	case d.MediaType == "":
		return Descriptor{}, at("mediaType", errors.New("want a media type, got none"))
	case d.Digest.IsZero():
		return Descriptor{}, at("digest", errors.New("want a digest, got none"))
	case d.Size < 0:
		return Descriptor{}, at("size", errors.New("want a size in bytes, got none"))
	}
	return d, nil
}

func (r *reader) descriptorMember(d *Descriptor, key []byte) (err error) {
	switch string(key) {
	case "mediaType":
		d.MediaType, err = r.text()
	case "digest":
		d.Digest, err = r.digest()
	case "size":
		d.Size, err = r.size()
	case "urls":
		d.URLs, err = r.optionalTexts()
	case "annotations":
		d.Annotations, err = r.optionalMap()
	case "data":
		_, err = r.optionalText()
	case "platform":
		d.Platform, err = r.optionalPlatform()
	case "artifactType":
		d.ArtifactType, err = r.optionalText()
	default:
		return r.unknown(key,
			"mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType")
	}
	return atKey(key, err)
}

func (r *reader) optionalPlatform() (*Platform, error) {
	if r.null() {
		return nil, nil
	}
	p := &Platform{}
	err := r.object(func(key []byte) error { return r.platformMember(p, key) })
	return p, err
}

func (r *reader) platformMember(p *Platform, key []byte) (err error) {
	switch string(key) {
	case "architecture":
		p.Architecture, err = r.optionalText()
	case "os":
		p.OS, err = r.optionalText()
	case "os.version":
		p.OSVersion, err = r.optionalText()
	case "os.features":
		p.OSFeatures, err = r.optionalTexts()
	case "variant":
		p.Variant, err = r.optionalText()
	case "features":
		p.Features, err = r.optionalTexts()
	default:
		return r.unknown(key,
			"architecture", "os", "os.version", "os.features", "variant", "features")
	}
	return atKey(key, err)
}

func (r *reader) digest() (Digest, error) {
	b, err := r.raw()
	if err != nil {
		return Digest{}, err
	}
	return ParseDigest(string(b))
}

func (r *reader) size() (int64, error) {
	n, err := r.integer()
	if err == nil && n < 0 {
		return 0, fmt.Errorf("want a size of 0 bytes or more, got %d", n)
	}
	return n, err
}

func (r *reader) optionalText() (string, error) {
	if r.null() {
		return "", nil
	}
	return r.text()
}

func (r *reader) optionalTexts() ([]string, error) {
	if r.null() {
		return nil, nil
	}
	var all []string
	err := r.array(func(i int) error {
		s, err := r.text()
		if err != nil {
			return at("["+strconv.Itoa(i)+"]", err)
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

func (r *reader) optionalMap() (map[string]string, error) {
	if r.null() {
		return nil, nil
	}
	all := map[string]string{}
	err := r.object(func(key []byte) error {
		s, err := r.text()
		if err != nil {
			return atKey(key, err)
		}
		all[string(key)] = s
		return nil
	})
	return all, err
}
