package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// stock is everything that lies in the stores, live or condemned.
type stock struct {
	keys       []string
	strange    []string          // keys that have no place in the layout
	seen       map[oci.Name]bool // namespaces that anything mentions
	namespaces map[oci.Name]bool // those of the catalog
	blobs      map[oci.Digest]blob
	links      map[place]bool
	revisions  map[place]revision
	tags       map[tagPlace]tagRecord
	tagEntries map[string]bool // by namespace, begin of the digest and id
	referrers  map[referrerPlace]bool
	sessions   map[string]session
}

type (
	place struct {
		namespace oci.Name
		digest    oci.Digest
	}
	tagPlace struct {
		namespace oci.Name
		tag       oci.Tag
	}
	referrerPlace struct {
		namespace         oci.Name
		subject, referrer oci.Digest
	}
	blob     struct{ content []byte }
	revision struct {
		mediaType string
		content   []byte
		manifest  oci.Manifest
		err       error
	}
	tagRecord struct {
		Digest    oci.Digest `json:"digest"`
		MediaType string     `json:"media_type"`
		Size      int64      `json:"size"`
		Entry     string     `json:"entry"`
		err       error
	}
	session struct {
		namespace oci.Name
		content   []byte
	}
)

// takeStock reads the stores. It knows the layout by patterns of its own, so that a mistake in the
// code that builds keys does not repeat itself here.
func takeStock(ctx context.Context, s Subject) (*stock, error) {
	all := &stock{
		seen: map[oci.Name]bool{}, namespaces: map[oci.Name]bool{}, blobs: map[oci.Digest]blob{},
		links: map[place]bool{}, revisions: map[place]revision{}, tags: map[tagPlace]tagRecord{}, tagEntries: map[string]bool{},
		referrers: map[referrerPlace]bool{}, sessions: map[string]session{},
	}
	stores := []storage.Store{s.Blobs}
	if s.Metadata != s.Blobs {
		stores = append(stores, s.Metadata)
	}
	for _, store := range stores {
		keys, err := allKeys(ctx, store)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			content, err := content(ctx, store, key)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", key, err)
			}
			if !all.add(key, content) {
				all.strange = append(all.strange, key)
			}
		}
		if store == s.Metadata {
			all.keys = keys
		}
	}
	return all, all.addSessions(ctx, s.Blobs)
}

func allKeys(ctx context.Context, store storage.Store) ([]string, error) {
	var keys []string
	for entry, err := range store.List(ctx, "", storage.ListOptions{Deep: true}) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, entry.Name)
	}
	for condemnation, err := range store.Condemned(ctx, "") {
		if err != nil {
			return nil, err
		}
		keys = append(keys, condemnation.Key)
	}
	return keys, nil
}

func content(ctx context.Context, store storage.Reader, key string) ([]byte, error) {
	r, _, err := store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

var (
	blobPattern     = regexp.MustCompile(`^_blobs/(sha256|sha512)/([0-9a-f]{2})/([0-9a-f]+)$`)
	placePattern    = regexp.MustCompile(`^\{"place":"[^"]+"\}$`)
	linkPattern     = regexp.MustCompile(`^(.+)/_layers/(sha256|sha512)/([0-9a-f]+)$`)
	revisionPattern = regexp.MustCompile(`^(.+)/_manifests/revisions/(sha256|sha512)/([0-9a-f]+)$`)
	tagPattern      = regexp.MustCompile(`^(.+)/_manifests/tags/([^/]+)$`)
	tagEntryPattern = regexp.MustCompile(`^(.+)/_manifests/tagged/[0-9a-f]{2}/([0-9a-f]{32})~[^/~]+~([A-Z2-7]{16})$`)
	referrerPattern = regexp.MustCompile(`^(.+)/_manifests/referrers/(sha256|sha512)/([0-9a-f]+)/(sha256|sha512)-([0-9a-f]+)$`)
	pullsPattern    = regexp.MustCompile(`^(.+)/_pulls$`)
	removedPattern  = regexp.MustCompile(`^(.+)/_removed/(sha256|sha512)/([0-9a-f]+)$`)
	asidePattern    = regexp.MustCompile(`^_corrupt/[0-9]{19}/.+$`)
	catalogPattern  = regexp.MustCompile(`^_namespaces/([^/]{1,255}|[^/]{254}~/[^/]{1,255}|[^/]{253}~/[^/]{1,255})$`)
	otherPattern    = regexp.MustCompile(`^(_format|_keys/(token|revoked|cache)|_gc/(report|verify)|_deleted/[^/]+(~/[^/]+)?/[0-9]{19}-[A-Z0-9]+)$`)
	upperPattern    = regexp.MustCompile(`\^[a-z]`)
)

// add sorts one object in and says whether its key is of the layout.
func (s *stock) add(key string, content []byte) bool {
	if strings.HasPrefix(key, "_corrupt/") {
		return asidePattern.MatchString(key)
	}
	if m := removedPattern.FindStringSubmatch(key); m != nil {
		_, ok := s.place(m[1], m[2]+":"+m[3])
		return ok && len(content) > 0
	}
	if m := blobPattern.FindStringSubmatch(key); m != nil {
		d, err := oci.ParseDigest(m[1] + ":" + m[3])
		s.blobs[d] = blob{content}
		return err == nil && strings.HasPrefix(m[3], m[2])
	}
	if m := linkPattern.FindStringSubmatch(key); m != nil {
		at, ok := s.place(m[1], m[2]+":"+m[3])
		s.links[at] = true
		return ok && (len(content) == 0 || placePattern.Match(content))
	}
	if m := revisionPattern.FindStringSubmatch(key); m != nil {
		at, ok := s.place(m[1], m[2]+":"+m[3])
		s.revisions[at] = readRevision(content)
		return ok
	}
	if m := tagPattern.FindStringSubmatch(key); m != nil {
		return s.addTag(m[1], m[2], content)
	}
	if m := tagEntryPattern.FindStringSubmatch(key); m != nil {
		s.tagEntries[m[1]+":"+m[2]+":"+m[3]] = true
		return len(content) == 0
	}
	if m := referrerPattern.FindStringSubmatch(key); m != nil {
		subject, ok := s.place(m[1], m[2]+":"+m[3])
		referrer, also := s.place(m[1], m[4]+":"+m[5])
		s.referrers[referrerPlace{subject.namespace, subject.digest, referrer.digest}] = true
		return ok && also
	}
	if m := pullsPattern.FindStringSubmatch(key); m != nil {
		ns, err := oci.ParseName(m[1])
		s.seen[ns] = true
		return err == nil && json.Valid(content)
	}
	if m := catalogPattern.FindStringSubmatch(key); m != nil {
		ns, err := oci.ParseName(strings.ReplaceAll(strings.Replace(m[1], "~/", "", 1), ".~", "/"))
		s.namespaces[ns], s.seen[ns] = true, true
		return err == nil
	}
	return otherPattern.MatchString(key)
}

func (s *stock) place(name, digest string) (place, bool) {
	ns, err := oci.ParseName(name)
	d, also := oci.ParseDigest(digest)
	s.seen[ns] = true
	return place{ns, d}, errors.Join(err, also) == nil
}

func (s *stock) addTag(name, component string, content []byte) bool {
	ns, err := oci.ParseName(name)
	tag, also := oci.ParseTag(upperPattern.ReplaceAllStringFunc(component, func(s string) string {
		return strings.ToUpper(s[1:])
	}))
	var record tagRecord
	record.err = json.Unmarshal(content, &record)
	s.tags[tagPlace{ns, tag}] = record
	s.seen[ns] = true
	return errors.Join(err, also) == nil
}

// readRevision reads a line of JSON and the manifest behind it.
func readRevision(packed []byte) revision {
	line, content, found := bytes.Cut(packed, []byte("\n"))
	if !found {
		return revision{err: errors.New("it has no record")}
	}
	var record struct {
		MediaType string `json:"media_type"`
	}
	if err := json.Unmarshal(line, &record); err != nil {
		return revision{err: err}
	}
	m, err := oci.ParseManifest(record.MediaType, content)
	return revision{mediaType: record.MediaType, content: content, manifest: m, err: err}
}

// addSessions leaves out a session without a label: its writer was killed before it had told anybody,
// and nothing can go on with it.
func (s *stock) addSessions(ctx context.Context, store storage.Store) error {
	for begun, err := range store.ListUploads(ctx) {
		if err != nil {
			return err
		}
		one, err := readSession(ctx, store, begun.ID)
		if errors.Is(err, errNoLabel) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read session %s: %w", begun.ID, err)
		}
		s.sessions[begun.ID] = one
	}
	return nil
}

var errNoLabel = errors.New("the session has no label")

func readSession(ctx context.Context, store storage.Store, id string) (session, error) {
	u, err := store.OpenUpload(ctx, id)
	if err != nil {
		return session{}, err
	}
	defer u.Close()
	if len(u.Label()) == 0 {
		return session{}, errNoLabel
	}
	var label struct {
		Namespace oci.Name `json:"namespace"`
	}
	if err := json.Unmarshal(u.Label(), &label); err != nil {
		return session{}, err
	}
	r, err := u.Content(ctx)
	if err != nil {
		return session{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return session{namespace: label.Namespace, content: data}, err
}
