package registry

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
)

// The layout of a store. This file alone builds keys, and only from parsed names.
//
//	blob store
//	  _blobs/<alg>/<2 hex>/<hex>                                 the bytes, immutable
//	metadata store
//	  <namespace>/_layers/<alg>/<hex>                            link: the namespace holds the blob; empty
//	  <namespace>/_manifests/revisions/<alg>/<hex>               revision record, then the manifest
//	  <namespace>/_manifests/tags/<tag>                          tag record
//	  <namespace>/_manifests/tagged/<2 hex>/<32 hex>~<tag>~<id>  tag entry: by which a manifest's tags are found; empty
//	  <namespace>/_manifests/referrers/<alg>/<hex>/<alg>-<hex>   referrer record, below its subject
//	  <namespace>/_pulls                                         when what was pulled last
//	  <namespace>/_removed/<alg>/<hex>                           marker: a client deleted the blob
//	  _namespaces/<namespace>                                    the catalog's entry; empty
//	  _deleted/<namespace>/<time>-<random>                       trash entry: what was removed and can be restored
//	  _keys/token                                                the private keys that sign tokens, the newest first
//	  _keys/revoked                                              which tokens end before their time
//	  _keys/cache                                                the key that marks what lies in Redis
//	  _gc/report                                                 what the collector did last
//	  _gc/verify                                                 how far a verification came that was interrupted
//	both
//	  _corrupt/<time>/<key>                                      the damaged object that had that key
//	  _format                                                    format record
//
// No key is a '/'-prefix of another one: the last component of each is never a folder of another,
// because namespaces have no component that begins with '_'.
const (
	blobsPrefix      = "_blobs"
	namespacesPrefix = "_namespaces"
	deletedPrefix    = "_deleted"
	corruptPrefix    = "_corrupt"
	formatKey        = "_format"
	keysPrefix       = "_keys"
	gcPrefix         = "_gc"
	reportKey        = gcPrefix + "/report"
	verifyKey        = gcPrefix + "/verify"

	// The folders and objects below a namespace.
	layersFolder    = "_layers"
	manifestsFolder = "_manifests"
	removedFolder   = "_removed"
	pullsObject     = "_pulls"
)

// Folders are the folders of blobs, for a store that makes them once instead of at each push. Those of
// sha512, which few clients use, are made when they are needed: a store is created in half the time.
func Folders() []string {
	folders := []string{namespacesPrefix, deletedPrefix}
	for i := range 256 {
		folders = append(folders, fmt.Sprintf("%s/%s/%02x", blobsPrefix, oci.SHA256, i))
	}
	return folders
}

// PrivateFolders are those that nobody but the owner of a store may look into.
func PrivateFolders() []string { return []string{keysPrefix} }

func blobKey(d oci.Digest) string {
	hex := d.Hex()
	return blobsPrefix + "/" + string(d.Algorithm()) + "/" + hex[:2] + "/" + hex
}

func linkKey(ns oci.Name, d oci.Digest) string {
	return ns.String() + "/_layers/" + string(d.Algorithm()) + "/" + d.Hex()
}

func secretKey(name Secret) string { return keysPrefix + "/" + string(name) }

func removedPrefix(ns oci.Name) string { return ns.String() + "/" + removedFolder }

// removedKey is the key of a Marker. It stays when the blob is pushed again, for as long as a manifest names the
// blob.
func removedKey(ns oci.Name, d oci.Digest) string {
	return removedPrefix(ns) + "/" + string(d.Algorithm()) + "/" + d.Hex()
}

func revisionsPrefix(ns oci.Name) string { return ns.String() + "/_manifests/revisions" }

func revisionKey(ns oci.Name, d oci.Digest) string {
	return revisionsPrefix(ns) + "/" + string(d.Algorithm()) + "/" + d.Hex()
}

func tagsPrefix(ns oci.Name) string { return ns.String() + "/_manifests/tags" }

func tagKey(ns oci.Name, tag oci.Tag) string { return tagsPrefix(ns) + "/" + escapeTag(tag.String()) }

// tagEntriesOf are a folder, and what the names in it begin with of the tag entries of a manifest. 128 bits of its digest
// are enough: a name that another manifest has, too, costs a look at its tag.
func tagEntriesOf(ns oci.Name, d oci.Digest) (folder, begin string) {
	hex := d.Hex()
	return ns.String() + "/_manifests/tagged/" + hex[:2], hex[:32] + "~"
}

func tagEntryKey(ns oci.Name, d oci.Digest, id string, tag oci.Tag) string {
	folder, begin := tagEntriesOf(ns, d)
	return folder + "/" + begin + packTag(tag.String()) + "~" + id
}

// parseTagEntry is the tag that the name of a tag entry tells.
func parseTagEntry(name string) (oci.Tag, error) {
	parts := strings.Split(name, "~")
	if len(parts) != 3 {
		return oci.Tag{}, errStrangeName
	}
	return unpackTag(parts[1])
}

func allReferrersPrefix(ns oci.Name) string { return ns.String() + "/_manifests/referrers" }

func referrersPrefix(ns oci.Name, subject oci.Digest) string {
	return allReferrersPrefix(ns) + "/" + string(subject.Algorithm()) + "/" + subject.Hex()
}

func referrerKey(ns oci.Name, subject, referrer oci.Digest) string {
	return referrersPrefix(ns, subject) + "/" + referrerName(referrer)
}

func referrerName(referrer oci.Digest) string {
	return string(referrer.Algorithm()) + "-" + referrer.Hex()
}

func pullsKey(ns oci.Name) string { return ns.String() + "/" + pullsObject }

func namespaceKey(ns oci.Name) string { return namespacesPrefix + "/" + flatten(ns.String()) }

func trashPrefix(ns oci.Name) string { return deletedPrefix + "/" + flatten(ns.String()) }

// deletedKey sorts by the time of the removal, which has a fixed width until the year 2286.
func deletedKey(ns oci.Name, at time.Time, random string) string {
	return fmt.Sprintf("%s/%019d-%s", trashPrefix(ns), at.UnixNano(), random)
}

// corruptKey is the key of a damaged object after it was moved aside. It contains the former key.
func corruptKey(key string, at time.Time) string {
	return fmt.Sprintf("%s/%019d/%s", corruptPrefix, at.UnixNano(), key)
}

// flatten writes a namespace as one component. ".~" cannot occur in a name, and sorts among the
// other bytes of a name as '/' does. What would be too long for a component is written as two, the first with "~" at its
// end: it sorts as the name does, but behind names that it has the first 254 bytes in common with.
func flatten(name string) string {
	flat := strings.ReplaceAll(name, "/", ".~")
	if len(flat) <= maxComponent {
		return flat
	}
	at := maxComponent - len(longMark)
	if flat[at] == '~' {
		at-- // not between the bytes of a '/'
	}
	return flat[:at] + longMark + "/" + flat[at:]
}

// longMark ends the first of two components of a name. No whole one ends so.
const longMark = "~"

func unflatten(key string) (oci.Name, error) {
	flat := strings.Replace(key, longMark+"/", "", 1)
	ns, err := oci.ParseName(strings.ReplaceAll(flat, ".~", "/"))
	if err == nil && flatten(ns.String()) != key {
		err = errStrangeName
	}
	return ns, err
}

// escapeTag writes an upper-case letter as '^' and the lower-case one, so that tags which differ by
// case do not collide on a file system that folds it. '^' sorts behind digits and before '_' and the
// lower-case letters, as the upper-case letters do, so keys sort as tags do.
func escapeTag(tag string) string {
	upper := 0
	for _, c := range []byte(tag) {
		if isUpper(c) {
			upper++
		}
	}
	if upper == 0 {
		return tag
	}
	escaped := make([]byte, 0, len(tag)+upper)
	for _, c := range []byte(tag) {
		if isUpper(c) {
			escaped = append(escaped, '^')
			c += 'a' - 'A'
		}
		escaped = append(escaped, c)
	}
	return string(escaped)
}

func unescapeTag(component string) (oci.Tag, error) {
	if strings.IndexByte(component, '^') < 0 {
		return oci.ParseTag(component)
	}
	tag := make([]byte, 0, len(component))
	for i := 0; i < len(component); i++ {
		c := component[i]
		if c == '^' && i+1 < len(component) {
			i++
			c = component[i] - ('a' - 'A')
		}
		tag = append(tag, c)
	}
	return oci.ParseTag(string(tag))
}

// packTag writes a tag in small letters and, behind '^', as bits of a hexadecimal number which of them are capital: a
// third shorter than escapeTag where all are, and the order does not matter.
func packTag(tag string) string {
	lower := strings.ToLower(tag)
	if lower == tag {
		return tag
	}
	capitals := new(big.Int)
	for i, c := range []byte(tag) {
		if isUpper(c) {
			capitals.SetBit(capitals, i, 1)
		}
	}
	return lower + "^" + capitals.Text(16)
}

func unpackTag(packed string) (oci.Tag, error) {
	lower, bits, _ := strings.Cut(packed, "^")
	capitals, _ := new(big.Int).SetString("0"+bits, 16)
	tag := []byte(lower)
	for i, c := range tag {
		if capitals != nil && capitals.Bit(i) == 1 && 'a' <= c && c <= 'z' {
			tag[i] = c - 'a' + 'A'
		}
	}
	if packTag(string(tag)) != packed {
		return oci.Tag{}, errStrangeName
	}
	return oci.ParseTag(string(tag))
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// Key is the key of an object.
func (o Object) Key() string {
	switch o.Kind {
	case KindBlob:
		return blobKey(o.Digest)
	case KindLink:
		return linkKey(o.Namespace, o.Digest)
	case KindMarker:
		return removedKey(o.Namespace, o.Digest)
	case KindManifest:
		return revisionKey(o.Namespace, o.Digest)
	case KindTag:
		return tagKey(o.Namespace, o.Tag)
	case KindReferrer:
		return referrerKey(o.Namespace, o.Subject, o.Digest)
	case KindPulls:
		return pullsKey(o.Namespace)
	case KindNamespace:
		return namespaceKey(o.Namespace)
	}
	return o.other
}

// ParseKey tells what a key is of. One that the functions above cannot have written is KindUnknown.
func ParseKey(key string) Object {
	o := Object{Kind: KindUnknown}
	top, rest, _ := strings.Cut(key, "/")
	switch top {
	case blobsPrefix:
		algorithm, rest, _ := strings.Cut(rest, "/")
		_, hex, _ := strings.Cut(rest, "/")
		if d := digestOfKey(algorithm, hex); !d.IsZero() {
			o = Object{Kind: KindBlob, Digest: d}
		}
	case namespacesPrefix:
		o.Kind = KindNamespace
		o.Namespace, _ = unflatten(rest)
	case deletedPrefix:
		flat := rest[:max(strings.LastIndexByte(rest, '/'), 0)]
		if ns, err := unflatten(flat); err == nil {
			return Object{Kind: KindTrash, Namespace: ns, other: key}
		}
	case corruptPrefix:
		return Object{Kind: KindCorrupt, other: key}
	case formatKey, keysPrefix, gcPrefix:
		own := []string{formatKey, secretKey(TokenKeys), secretKey(RevokedTokens), secretKey(CacheKey), reportKey, verifyKey}
		if slices.Contains(own, key) {
			return Object{Kind: KindOwn, other: key}
		}
	default:
		o = parseInNamespace(key)
	}
	if o.Key() != key {
		return Object{Kind: KindUnknown, other: key}
	}
	return o
}

// parseKeyOf is ParseKey where only one kind is expected. Any other is ErrDamaged.
func parseKeyOf(kind Kind, key string) (Object, error) {
	o := ParseKey(key)
	if o.Kind != kind {
		return Object{}, damaged(key, errStrangeName)
	}
	return o, nil
}

// parseInNamespace reads a key that begins with a namespace. No component of one begins with '_'.
func parseInNamespace(key string) Object {
	name, rest, _ := strings.Cut(key, "/_")
	ns, err := oci.ParseName(name)
	if err != nil {
		return Object{}
	}
	o := Object{Namespace: ns}
	parts := strings.Split(rest, "/")
	folder, last := strings.Join(parts[:min(len(parts)-1, 2)], "/"), parts[len(parts)-1]
	switch {
	case rest == "pulls":
		o.Kind = KindPulls
	case parts[0] == "layers" && len(parts) == 3:
		o.Kind, o.Digest = KindLink, digestOfKey(parts[1], last)
	case parts[0] == "removed" && len(parts) == 3:
		o.Kind, o.Digest = KindMarker, digestOfKey(parts[1], last)
	case folder == "manifests/tags" && len(parts) == 3:
		o.Kind = KindTag
		o.Tag, _ = unescapeTag(last)
	case folder == "manifests/tagged" && len(parts) == 4 && tagEntryName.MatchString(last) && last[:2] == parts[2]:
		if o.Tag, err = parseTagEntry(last); err == nil {
			o.Kind, o.other = KindTagEntry, key
		}
	case folder == "manifests/revisions" && len(parts) == 4:
		o.Kind, o.Digest = KindManifest, digestOfKey(parts[2], last)
	case folder == "manifests/referrers" && len(parts) == 5:
		algorithm, hex, _ := strings.Cut(last, "-")
		o.Kind, o.Subject, o.Digest = KindReferrer, digestOfKey(parts[2], parts[3]), digestOfKey(algorithm, hex)
	}
	return o
}

// tagEntryName is the last component of the key of a tag entry.
var tagEntryName = regexp.MustCompile(`^[0-9a-f]{32}~[^~]+~[A-Z2-7]+$`)

// digestOfKey is zero for what is none: then it makes another key than the one that was read.
func digestOfKey(algorithm, hex string) oci.Digest {
	d, _ := oci.ParseDigest(algorithm + ":" + hex)
	return d
}
