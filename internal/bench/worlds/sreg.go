package worlds

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

// sreg is the layout of docs/architecture.md. The store is born by sreg's own code; its keys are
// written here once more, as internal/registry gives them to nobody, and a test asks a Registry about
// all of them.
type sreg struct{ folder }

func newSreg(ctx context.Context, dir string, at time.Time) (layout sreg, err error) {
	store, err := fs.New(fs.Config{Root: dir}, fs.Options{Folders: registry.Folders(), Private: registry.PrivateFolders()})
	if err != nil {
		return sreg{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Create(ctx); err != nil {
		return sreg{}, err
	}
	born, err := registry.New(ctx, registry.Options{Blobs: store, Metadata: store})
	if err != nil {
		return sreg{}, err
	}
	return sreg{folder{dir, at}}, born.Maintenance().Create(ctx)
}

// The records that stand before, or in, what a namespace holds.
type (
	revisionRecord struct {
		MediaType string    `json:"media_type"`
		PushedAt  time.Time `json:"pushed_at"`
	}
	tagRecord struct {
		Digest    oci.Digest `json:"digest"`
		MediaType string     `json:"media_type"`
		Size      int        `json:"size"`
		PushedAt  time.Time  `json:"pushed_at"`
		Nonce     string     `json:"nonce"`
		Entry     string     `json:"entry"`
	}
	referrerRecord struct {
		Descriptor referrer `json:"descriptor"`
		Nonce      string   `json:"nonce"`
	}
	referrer struct {
		MediaType    string     `json:"mediaType"`
		Digest       oci.Digest `json:"digest"`
		Size         int        `json:"size"`
		ArtifactType string     `json:"artifactType"`
	}
)

func (s sreg) blob(b blob) error {
	return s.put("_blobs/"+string(b.digest.Algorithm())+"/"+b.digest.Hex()[:2]+"/"+b.digest.Hex(), b.content)
}

func (s sreg) link(namespace string, d oci.Digest) error {
	return s.put(namespace+"/_layers/"+string(d.Algorithm())+"/"+d.Hex(), nil)
}

func (s sreg) manifest(namespace string, m manifest) error {
	record, err := json.Marshal(revisionRecord{MediaType: m.mediaType, PushedAt: m.pushedAt})
	if err != nil {
		return err
	}
	key := namespace + "/_manifests/revisions/" + string(m.digest.Algorithm()) + "/" + m.digest.Hex()
	if err := s.put(key, append(append(record, '\n'), m.content...)); err != nil {
		return err
	}
	if m.subject != (oci.Digest{}) {
		key := namespace + "/_manifests/referrers/" + string(m.subject.Algorithm()) + "/" + m.subject.Hex() +
			"/" + string(m.digest.Algorithm()) + "-" + m.digest.Hex()
		err := s.putRecord(key, referrerRecord{
			Descriptor: referrer{m.mediaType, m.digest, len(m.content), m.artifactType}, Nonce: nonce(key),
		})
		if err != nil {
			return err
		}
	}
	if m.tag == "" {
		return nil
	}
	// The tags of worlds have no capital letters, so none has to be escaped.
	key = namespace + "/_manifests/tags/" + m.tag
	hex, entry := m.digest.Hex(), entryID(key)
	if err := s.put(namespace+"/_manifests/tagged/"+hex[:2]+"/"+hex[:32]+"~"+m.tag+"~"+entry, nil); err != nil {
		return err
	}
	return s.putRecord(key, tagRecord{m.digest, m.mediaType, len(m.content), m.pushedAt, nonce(key), entry})
}

func (s sreg) namespace(name string) error {
	return s.put("_namespaces/"+strings.ReplaceAll(name, "/", ".~"), nil)
}

func (s sreg) putRecord(key string, record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return s.put(key, data)
}

// entryID is that of a tag entry: no other record's, in letters.
func entryID(key string) string {
	return base32.StdEncoding.EncodeToString([]byte(nonce(key)))[:16]
}

// nonce is the same each time, as all of a world is, and no other record's.
func nonce(key string) string {
	return strings.ToUpper(oci.DigestOf(oci.SHA256, []byte(key)).Hex()[:26])
}
