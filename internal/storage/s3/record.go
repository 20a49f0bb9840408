package s3

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// state is where the object of a record stands. The length of a record tells it, modulo stateCount, so
// that a listing tells live objects from others without a request for each.
type state uint8

const (
	live state = iota
	condemned
	gone    // a record, too: an object that is made anew must not be taken for the one that went
	pending // prepared and not published: no object yet
	stateCount
)

// record is what lies under the key of an object. It is small, carries the object's state, and changes by
// compare-and-set alone.
type record struct {
	State state `json:"state"`
	// Nonce is the object's Version: it stays when the state changes.
	Nonce string `json:"nonce"`
	// Turn is another one for each write, so that no two records are equal, and a writer knows its own.
	Turn string `json:"turn"`
	// Moved is the draft that gave way to this record, if one did.
	Moved moved `json:"moved,omitzero"`
	// DataKey names the bytes, if they are not here.
	DataKey storage.DataKey `json:"place,omitempty"`
	Size    int64           `json:"size"` // of the object, in bytes
	Sum     uint32          `json:"sum"`  // CRC-32C of Data

	Data []byte `json:"-"`

	etag    string // empty where nothing lies
	modTime time.Time
	read    time.Time // by the service's clock
}

// moved tells where a draft lies that was pending under its own key, until another one was published there.
type moved struct {
	Nonce string `json:"nonce"` // of the pending record
	Name  string `json:"name"`  // below the folder of the key's drafts
}

// format is the first word of a record: what another program wrote does not begin so.
const format = "sreg1 "

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newNonce is a name that nobody else gives.
func newNonce() string { return rand.Text() }

// encode writes the record, padded so that its length tells its state.
func (r record) encode() ([]byte, error) {
	if r.DataKey == "" {
		r.Size, r.Sum = int64(len(r.Data)), crc32.Checksum(r.Data, castagnoli)
	}
	header, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	length := len(format) + len(header) + 1 + len(r.Data)
	pad := (int(r.State) - length%int(stateCount) + int(stateCount)) % int(stateCount)
	b := make([]byte, 0, length+pad)
	b = append(b, format...)
	b = append(b, header...)
	b = append(b, "   "[:pad]...) // white space behind a JSON value is part of it
	b = append(b, '\n')
	return append(b, r.Data...), nil
}

// decode reads a record and wants it whole: what a service answers is not trusted.
func decode(b []byte, length int64) (record, error) {
	if length != int64(len(b)) {
		return record{}, fmt.Errorf("it has %d bytes, of which %d came", length, len(b))
	}
	r, err := decodeHead(b, length)
	if err != nil {
		return r, err
	}
	_, r.Data, _ = bytes.Cut(b, []byte("\n"))
	if r.DataKey == "" && r.Sum != crc32.Checksum(r.Data, castagnoli) {
		return r, errors.New("its data is damaged")
	}
	return r, nil
}

// decodeHead reads the head of a record of which no more is there than its first bytes, and whose whole
// length is known, in bytes.
func decodeHead(b []byte, length int64) (r record, err error) {
	rest, ours := bytes.CutPrefix(b, []byte(format))
	header, _, whole := bytes.Cut(rest, []byte("\n"))
	if !ours || !whole {
		return r, errors.New("it is not a record of sreg")
	}
	if err := json.Unmarshal(header, &r); err != nil {
		return r, fmt.Errorf("its head is damaged: %w", err)
	}
	data := length - int64(len(format)+len(header)+1)
	switch {
	case r.State >= stateCount || stateOf(length) != r.State:
		return r, errors.New("its length does not fit its state")
	case r.Size < 0 || data < 0 || r.DataKey == "" && r.Size != data:
		return r, errors.New("its length does not fit its data")
	}
	return r, nil
}

// stateOf tells the state of a record by its length in bytes.
func stateOf(length int64) state { return state(length % int64(stateCount)) }

// there tells whether the record stands for an object: live or condemned.
func (r record) there() bool { return r.etag != "" && (r.State == live || r.State == condemned) }

// is tells whether the record is live and at a version.
func (r record) is(version storage.Version) bool {
	return r.there() && r.State == live && r.Nonce == string(version)
}

// info is what the contract says of the object.
func (r record) info() storage.Info {
	info := storage.Info{Size: r.Size, ModTime: r.modTime, DataKey: r.DataKey}
	if r.State == condemned {
		info.State = storage.Condemned
	}
	return info
}

// tombstone is the record after its object's end. It names the bytes until they are removed.
func (r record) tombstone() record {
	return record{State: gone, Nonce: r.Nonce, DataKey: r.DataKey, Size: r.Size}
}

// unfinished tells whether the object ended and its bytes have still to be removed.
func (r record) unfinished() bool { return r.etag != "" && r.State == gone && r.DataKey != "" }
