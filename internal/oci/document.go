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
	annotations  Annotations

	// The members below have a meaning in images and indexes only.
	schemaVersion int64
	config        *Descriptor
	layers        []Descriptor
	manifests     []Descriptor
	has           struct{ schemaVersion, config, layers, manifests, fsLayers, signatures bool }
	// null are those of them that are there and null, which is the same as absent beside what else is there.
	null      struct{ config, layers, manifests bool }
	malformed error // why the first of them is wrong that is
}

// reader fills a document.
type reader struct {
	scanner
	doc document
}

// readDocument reads a body; bounded ones may have no more of anything than is kept in memory.
func readDocument(body []byte, bounded bool) (document, error) {
	if !utf8.Valid(body) {
		return document{}, errors.New("want valid UTF-8, got other bytes")
	}
	r := reader{scanner: scanner{src: body, bounded: bounded}}
	if err := r.object(r.member); err != nil {
		return document{}, err
	}
	if bounded && r.doc.subject != nil {
		if err := r.doc.annotations.shown(); err != nil {
			return document{}, err
		}
		if n := len(r.doc.artifactType); n > maxMediaType {
			return document{}, at("artifactType", fmt.Errorf("want at most %d bytes, got %d", maxMediaType, n))
		}
	}
	return r.doc, r.end()
}

func (r *reader) member(key []byte) (err error) {
	d := &r.doc
	switch string(key) {
	case "mediaType":
		d.mediaType, err = optional(r, (*reader).text)
	case "artifactType":
		d.artifactType, err = optional(r, (*reader).text)
	case "subject":
		d.subject, err = optional(r, (*reader).descriptorPointer)
	case "annotations":
		d.annotations, err = optional(r, (*reader).annotations)
	default:
		if err := caseOfKnown(key, "mediaType", "artifactType", "subject", "annotations"); err != nil {
			return err
		}
		return r.imageMember(key)
	}
	return atKey(key, err)
}

// imageMember reads a member that means something in images and indexes only. In a manifest of another type
// it may have any form, so what is wrong with it is kept until the type is known.
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
		d.has.config, d.null.config = true, r.peek() == 'n'
		d.config, err = optional(r, (*reader).descriptorPointer)
	case "layers":
		d.has.layers, d.null.layers = true, r.peek() == 'n'
		d.layers, err = optional(r, (*reader).descriptors)
	case "manifests":
		d.has.manifests, d.null.manifests = true, r.peek() == 'n'
		d.manifests, err = optional(r, (*reader).descriptors)
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

// unknown steps over the value of a key that means nothing here, unless some reader takes it for a known one.
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

func (r *reader) descriptors() ([]Descriptor, error) { return list(r, (*reader).descriptor) }

func (r *reader) descriptorPointer() (*Descriptor, error) {
	d, err := r.descriptor()
	return &d, err
}

func (r *reader) descriptor() (Descriptor, error) {
	d := Descriptor{Size: -1}
	err := r.object(func(key []byte) error { return r.descriptorMember(&d, key) })
	switch {
	case err != nil:
	case r.bounded && d.Annotations.shown() != nil:
		err = d.Annotations.shown()
	case d.Digest.IsZero():
		err = at("digest", errors.New("want a digest, got none"))
	case d.Size < 0:
		err = at("size", errors.New("want a size in bytes, got none"))
	}
	return d, err
}

func (r *reader) descriptorMember(d *Descriptor, key []byte) (err error) {
	switch string(key) {
	case "mediaType":
		d.MediaType, err = optional(r, (*reader).text) // others took descriptors without one
	case "digest":
		d.Digest, err = r.digest()
	case "size":
		d.Size, err = r.size()
	case "urls":
		d.URLs, err = optional(r, (*reader).textList)
	case "annotations":
		d.Annotations, err = optional(r, (*reader).annotations)
	case "data":
		_, err = optional(r, (*reader).text)
	case "platform":
		d.Platform, err = optional(r, (*reader).platform)
	case "artifactType":
		d.ArtifactType, err = optional(r, (*reader).text)
	default:
		return r.unknown(key,
			"mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType")
	}
	return atKey(key, err)
}

func (r *reader) platform() (*Platform, error) {
	p := &Platform{}
	err := r.object(func(key []byte) error { return r.platformMember(p, key) })
	return p, err
}

func (r *reader) platformMember(p *Platform, key []byte) (err error) {
	switch string(key) {
	case "architecture":
		p.Architecture, err = optional(r, (*reader).text)
	case "os":
		p.OS, err = optional(r, (*reader).text)
	case "os.version":
		p.OSVersion, err = optional(r, (*reader).text)
	case "os.features":
		p.OSFeatures, err = optional(r, (*reader).textList)
	case "variant":
		p.Variant, err = optional(r, (*reader).text)
	case "features":
		p.Features, err = optional(r, (*reader).textList)
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

// optional reads a value that may also be null.
func optional[T any](r *reader, read func(*reader) (T, error)) (value T, err error) {
	if r.null() {
		return value, nil
	}
	return read(r)
}

func list[T any](r *reader, read func(*reader) (T, error)) (all []T, err error) {
	err = r.array(func(i int) error {
		item, err := read(r)
		if err != nil {
			return at("["+strconv.Itoa(i)+"]", err)
		}
		all = append(all, item)
		return nil
	})
	return all, err
}
