package registry

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
	"unique"

	"github.com/sreg-project/sreg/internal/oci"
)

// formerTags is how many former values a tag's record keeps.
const formerTags = 10

// The records. Times that decide anything are in them, never only a file's mtime: a restored backup
// must not change what retention keeps.
type (
	// revisionRecord stands before the bytes of a manifest.
	revisionRecord struct {
		MediaType string    `json:"media_type"`
		PushedAt  time.Time `json:"pushed_at"`
		By        string    `json:"by,omitempty"`
		// Missing is what the manifest named and the namespace did not hold when it was pushed: a repair
		// gives it no link to that. An empty list says that it held everything, null that nobody knows.
		Missing []oci.Digest `json:"missing"`
		Nonce   string       `json:"nonce,omitempty"` // see renewRevision
		// RestoredAt is when it was restored, if that was its last push.
		RestoredAt time.Time `json:"restored_at,omitzero"`
	}

	// tagRecord is the content of a tag. Nonce makes each write differ from every other one, so that a delete
	// which read an earlier write cannot remove this one.
	tagRecord struct {
		TagValue
		Nonce  string     `json:"nonce"`
		Entry  string     `json:"entry,omitempty"`  // the id of its tag entry; empty in a record of format 1
		Former []TagValue `json:"former,omitempty"` // the last first
		// RestoredAt is when it was restored, if that was its last change.
		RestoredAt time.Time `json:"restored_at,omitzero"`
		// PushedBefore is when it was pushed last before it was restored; see LastPush.
		PushedBefore time.Time `json:"pushed_before,omitzero"`
	}

	// TagValue is what a tag stands for, or stood for.
	TagValue struct {
		Digest    oci.Digest `json:"digest"`
		MediaType string     `json:"media_type"`
		Size      int64      `json:"size"` // bytes of the manifest
		PushedAt  time.Time  `json:"pushed_at"`
		By        string     `json:"by,omitempty"`
	}

	// referrerRecord is one entry of a subject's referrers.
	referrerRecord struct {
		Descriptor json.RawMessage `json:"descriptor"` // of an oci.Descriptor, as it is sent
		Nonce      string          `json:"nonce"`
		// Untyped says that the manifest does not name its media type: pushed again it may have another one. Earlier
		// versions of sreg did not write it, so it is always written, and where it is missing nobody knows.
		Untyped bool `json:"untyped"`
	}

	// trashRecord says what was removed, and why; the content of the object that went stands behind it.
	trashRecord struct {
		Kind      Kind       `json:"kind"`
		Namespace oci.Name   `json:"namespace"`
		Tag       string     `json:"tag,omitempty"`
		Digest    oci.Digest `json:"digest"`
		DeletedAt time.Time  `json:"deleted_at"`
		By        string     `json:"by,omitempty"`
		Why       string     `json:"why,omitempty"` // empty: a client asked for it
	}

	// pullsRecord says when each tag and each manifest of a namespace was last pulled, in seconds since
	// the epoch.
	pullsRecord struct {
		Tags      map[oci.Tag]int64    `json:"tags"`
		Manifests map[oci.Digest]int64 `json:"manifests"`
	}

	// sessionLabel is what an upload session keeps beside its bytes.
	sessionLabel struct {
		Namespace oci.Name      `json:"namespace"`
		Algorithm oci.Algorithm `json:"algorithm"`
		Begun     time.Time     `json:"begun"`
		By        string        `json:"by,omitempty"`
	}
)

// packRecord writes a record as one line of JSON, then the content that it describes.
func packRecord(record any, content []byte) ([]byte, error) {
	line, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	packed := make([]byte, 0, len(line)+1+len(content))
	packed = append(packed, line...)
	packed = append(packed, '\n')
	return append(packed, content...), nil
}

// unpackRecord reads what packRecord wrote and returns the content, which it does not copy.
func unpackRecord(packed []byte, record any) ([]byte, error) {
	line, content, found := bytes.Cut(packed, []byte{'\n'})
	if !found {
		return nil, fmt.Errorf("read record: no end of line in %d bytes", len(packed))
	}
	if err := json.Unmarshal(line, record); err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	return content, nil
}

// pack writes a record of a tag, with a checksum of all before it: a bit that rots must not make another digest or
// another history of it. Records of earlier versions of sreg have none.
func (t tagRecord) pack() ([]byte, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	text = text[:len(text)-1]
	return fmt.Appendf(text, sumBegin+"%08x"+sumEnd, crc32.ChecksumIEEE(text)), nil
}

const sumBegin, sumEnd = `,"sum":"`, `"}`

// parseTagRecord reads a record of a tag, and compares its checksum.
func parseTagRecord(data []byte) (record tagRecord, err error) {
	if at := len(data) - len(sumBegin) - 8 - len(sumEnd); at > 0 && bytes.HasPrefix(data[at:], []byte(sumBegin)) {
		sum := fmt.Appendf(nil, "%08x", crc32.ChecksumIEEE(data[:at]))
		if got := data[at+len(sumBegin):][:8]; !bytes.Equal(got, sum) {
			return record, fmt.Errorf("its checksum is %s, and it names %q", sum, got)
		}
	}
	if err := json.Unmarshal(data, &record); err != nil {
		return record, fmt.Errorf("read record: %w", err)
	}
	if record.Digest.IsZero() {
		return record, errors.New("it names no manifest")
	}
	return record, nil
}

// newNonce is a value that no other write has.
func newNonce() string { return rand.Text() }

// oneCopy is a text of which all that is kept share the bytes: the same few stand in most records.
func oneCopy(text string) string { return unique.Make(text).Value() }
