package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// linkRecord is what a link says of a blob whose bytes have a data key: this key, so that a pull needs no look
// at the blob's own object. It is a hint: that object decides.
type linkRecord struct {
	DataKey storage.DataKey `json:"place"`
}

// link is a link as it is stored.
type link struct {
	state   storage.State
	dataKey storage.DataKey // empty where the blob's own key finds its bytes
	// proposed says that a repair has begun to write it, see Relink: it is no link yet.
	proposed bool
}

// packLink writes a link. Where keys alone find the bytes it is empty.
func packLink(dataKey storage.DataKey) ([]byte, error) {
	if dataKey == "" {
		return nil, nil
	}
	return json.Marshal(linkRecord{DataKey: dataKey})
}

// parseLink reads a link.
func parseLink(key string, value storage.Value) (link, error) {
	l, err := decodeLink(value)
	if err != nil {
		err = damaged(key, err)
	}
	return l, err
}

// decodeLink reads a link: empty, or a record that begins as no proposal does, which is a bare nonce.
func decodeLink(value storage.Value) (link, error) {
	l := link{state: value.State}
	switch {
	case len(value.Data) == 0:
		return l, nil
	case value.Data[0] != '{':
		l.proposed = true
		return l, nil
	}
	var record linkRecord
	decoder := json.NewDecoder(bytes.NewReader(value.Data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&record); err != nil {
		return l, err
	}
	if record.DataKey == "" || decoder.More() {
		return l, errors.New("want the data key of a blob and nothing else")
	}
	l.dataKey = record.DataKey
	return l, nil
}

// readLink reads the link by which a namespace may hold a blob. On a file system an empty one costs a
// look; over a service reading costs what a look does.
func (r *core) readLink(ctx context.Context, key string) (link, error) {
	if !r.metadataIsService {
		info, err := r.metadata.Stat(ctx, key)
		if err != nil || info.Size == 0 {
			return link{state: info.State}, err
		}
	}
	value, err := r.metadata.Get(ctx, key)
	if err != nil {
		return link{}, err
	}
	return parseLink(key, value)
}

// linked reads the link by which a namespace holds a blob. One that is only proposed is storage.ErrNotExist.
func (r *core) linked(ctx context.Context, ns oci.Name, d oci.Digest) (link, error) {
	l, err := r.readLink(ctx, linkKey(ns, d))
	if err == nil && l.proposed {
		err = onlyProposed(ns, d)
	}
	return l, err
}

// pulledLink is linked for a pull, which over a service may be answered from memory. That a link is not there, or
// is only proposed, is never remembered.
func (r *Registry) pulledLink(ctx context.Context, ns oci.Name, d oci.Digest) (link, error) {
	if !r.metadataIsService {
		return r.linked(ctx, ns, d)
	}
	id := linkID{ns, d}
	l, _, err := read(ctx, r.core, pulling, r.state.links, id, linkID.key, parsePulledLink)
	if err == nil && l.proposed {
		r.state.links.Forget(id)
		err = onlyProposed(ns, d)
	}
	return l, err
}

func (id linkID) key() string { return linkKey(id.ns, id.digest) }

func parsePulledLink(_ linkID, value storage.Value) (link, int64, error) {
	l, err := decodeLink(value)
	return l, 256 + int64(len(l.dataKey)), err
}

func onlyProposed(ns oci.Name, d oci.Digest) error {
	return fmt.Errorf("link of %s in %s is only proposed: %w", d, ns, storage.ErrNotExist)
}

// reviveBlob makes a blob of a namespace live and durable, the bytes before the link that names them.
// It creates neither: what is gone is storage.ErrNotExist.
func (r *core) reviveBlob(ctx context.Context, ns oci.Name, d oci.Digest) error {
	blob, err := r.blobs.Revive(ctx, blobKey(d))
	if err != nil {
		return err
	}
	return r.reviveLink(ctx, ns, d, blob.DataKey)
}

// reviveLink makes a link live and durable, and has it name the data key that the bytes have now: they have
// another one if they went and came back.
func (r *core) reviveLink(ctx context.Context, ns oci.Name, d oci.Digest, dataKey storage.DataKey) error {
	key := linkKey(ns, d)
	if !r.metadataIsService {
		info, err := r.metadata.Revive(ctx, key)
		if err != nil || info.Size == 0 && dataKey == "" {
			return err
		}
	}
	for {
		object, err := r.liveObject(ctx, key)
		if err != nil {
			return err
		}
		l, err := parseLink(key, object)
		if err != nil {
			return err
		}
		if l.proposed {
			return onlyProposed(ns, d)
		}
		if l.dataKey == dataKey {
			return nil
		}
		data, err := packLink(dataKey)
		if err != nil {
			return err
		}
		_, err = r.metadata.Put(ctx, key, data, storage.PutOptions{IfUnchanged: object.Version})
		if !errors.Is(err, storage.ErrChanged) {
			return err
		}
	}
}

// link makes the namespace hold a blob whose bytes have that data key. The caller has made the bytes live, and
// looks again afterwards.
func (r *core) link(ctx context.Context, ns oci.Name, d oci.Digest, dataKey storage.DataKey) error {
	key := linkKey(ns, d)
	if dataKey == "" {
		info, err := r.metadata.Revive(ctx, key)
		if err == nil && info.Size == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, storage.ErrNotExist) {
			return err
		}
	}
	// Whatever was there: it is live afterwards, and names the data key.
	data, err := packLink(dataKey)
	if err != nil {
		return err
	}
	_, err = r.metadata.Put(ctx, key, data, storage.PutOptions{})
	return err
}
