package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/router"
)

// maxTags is how many ?tag= parameters one push may carry. The answer has a line for each, and rules look at all of them.
const maxTags = 32

var (
	errPageSize    = errors.New("n must be a whole number of at least 0")
	errNoDigest    = errors.New("the digest parameter is missing")
	errTagParams   = errors.New("tag parameters need a digest in the path")
	errTooManyTags = errors.New("too many tag parameters")
)

// parse reads the path and the query into their types. Nothing behind it sees a string that was not checked.
func parse(r *http.Request, at router.Path, req *access.Request) (err error) {
	if at.Named {
		if req.Namespace, err = oci.ParseName(at.Namespace); err != nil {
			return err
		}
	}
	switch at.Resource {
	case manifestResource:
		return parseManifest(r, at, req)
	case blobResource, referrersResource:
		if req.Digest, err = oci.ParseDigest(at.Last); err != nil {
			return err
		}
		if at.Resource == referrersResource {
			return parseReferrers(r, req)
		}
	case uploadsResource:
		return parseUploads(r, req)
	case uploadResource:
		req.SessionID = at.Last
		return parseUpload(r, req)
	case tagsResource, catalogResource:
		return parsePage(r, at.Resource, req)
	}
	return nil
}

func parseManifest(r *http.Request, at router.Path, req *access.Request) (err error) {
	if req.Reference, err = oci.ParseReference(at.Last); err != nil {
		return err
	}
	req.Digest = req.Reference.Digest
	if req.Action == access.GetManifest {
		return nil
	}
	if !req.Reference.IsDigest() {
		req.Tags = []oci.Tag{req.Reference.Tag}
	}
	if req.Action != access.PutManifest || r.URL.RawQuery == "" {
		return nil
	}
	tags := r.URL.Query()["tag"]
	if len(tags) > 0 && !req.Reference.IsDigest() {
		return errTagParams
	}
	if len(tags) > maxTags {
		return fmt.Errorf("%w: one push may have %d, got %d; push the manifest again with the others", errTooManyTags, maxTags, len(tags))
	}
	for _, s := range tags {
		tag, err := oci.ParseTag(s)
		if err != nil {
			return err
		}
		req.Tags = append(req.Tags, tag)
	}
	return nil
}

func parseReferrers(r *http.Request, req *access.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	q := r.URL.Query()
	req.ArtifactType = q.Get("artifactType")
	req.Last = q.Get("last")
	return nil
}

// parseUploads reads a POST: a mount, a whole blob, or the start of a session.
func parseUploads(r *http.Request, req *access.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	q := r.URL.Query()
	// A mount is a hint: one that this registry cannot follow begins an upload (spec: Mounting a blob from another
	// repository).
	if digest, from, ok := parseMount(q); ok {
		req.Action, req.Digest, req.From = access.MountBlob, digest, from
		return nil
	}
	return parseDigestParam(q, req)
}

// parseMount reads what a client would like to mount, and where from, if it says that.
func parseMount(q url.Values) (digest oci.Digest, from oci.Name, ok bool) {
	digest, err := oci.ParseDigest(q.Get("mount"))
	if err != nil {
		return oci.Digest{}, oci.Name{}, false
	}
	if q.Get("from") == "" {
		return digest, oci.Name{}, true
	}
	from, err = oci.ParseName(q.Get("from"))
	return digest, from, err == nil
}

func parseUpload(r *http.Request, req *access.Request) error {
	if req.Action != access.CompleteUpload {
		return nil
	}
	if err := parseDigestParam(r.URL.Query(), req); err != nil {
		return err
	}
	if req.Digest.IsZero() {
		return errNoDigest
	}
	return nil
}

func parseDigestParam(q url.Values, req *access.Request) (err error) {
	if digest := q.Get("digest"); digest != "" {
		req.Digest, err = oci.ParseDigest(digest)
	}
	return err
}

// parsePage reads n and last. What last names need not exist, but it must be a valid name.
func parsePage(r *http.Request, resource router.Resource, req *access.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	q := r.URL.Query()
	if q.Has("n") {
		n, err := strconv.Atoi(q.Get("n"))
		if err != nil || n < 0 {
			return fmt.Errorf("%w, got %.40q", errPageSize, q.Get("n"))
		}
		req.N, req.HasN = n, true
	}
	req.Last = q.Get("last")
	if req.Last == "" {
		return nil
	}
	var err error
	if resource == tagsResource {
		_, err = oci.ParseTag(req.Last)
	} else {
		_, err = oci.ParseName(req.Last)
	}
	return err
}
