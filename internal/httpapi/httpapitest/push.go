package httpapitest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// Bytes is the media type of the bytes of an upload.
const Bytes = "application/octet-stream"

// Push pushes a manifest with all that it names, under each of some tags, or by its digest alone.
func (c Client) Push(ctx context.Context, ns string, m ocitest.Manifest, tags ...string) error {
	for _, child := range m.Children {
		if err := c.Push(ctx, ns, child); err != nil {
			return err
		}
	}
	for _, blob := range m.Blobs() {
		if err := c.PushBlob(ctx, ns, blob.Text); err != nil {
			return err
		}
	}
	if len(tags) == 0 {
		tags = []string{m.Digest.String()}
	}
	for _, tag := range tags {
		if err := c.PushManifest(ctx, ns, tag, m.Content); err != nil {
			return err
		}
	}
	return nil
}

// PushBlob begins an upload, and sends all bytes with its end.
func (c Client) PushBlob(ctx context.Context, ns, text string) error {
	location, err := c.StartUpload(ctx, ns)
	if err != nil {
		return err
	}
	return c.CompleteUpload(ctx, location, text, ocitest.DigestOf(text))
}

// StartUpload begins an upload and returns where it goes on.
func (c Client) StartUpload(ctx context.Context, ns string) (location string, err error) {
	got, err := c.Send(ctx, http.MethodPost, "/v2/"+ns+"/blobs/uploads/", "", "")
	return got.Header.Get("Location"), wantStatus(got, err, http.StatusAccepted)
}

// CompleteUpload sends the last bytes of an upload, with the digest of all.
func (c Client) CompleteUpload(ctx context.Context, location, last string, d oci.Digest) error {
	got, err := c.Send(ctx, http.MethodPut, location+"?digest="+d.String(), Bytes, last)
	return wantStatus(got, err, http.StatusCreated)
}

// PushManifest puts a manifest under a tag or its digest.
func (c Client) PushManifest(ctx context.Context, ns, reference string, m ocitest.Content) error {
	got, err := c.Send(ctx, http.MethodPut, "/v2/"+ns+"/manifests/"+reference, m.MediaType, m.Text)
	return wantStatus(got, err, http.StatusCreated)
}

// Mount has a namespace hold a blob of another one. That it is begun to be uploaded instead is a refusal.
func (c Client) Mount(ctx context.Context, ns, from string, d oci.Digest) error {
	got, err := c.Send(ctx, http.MethodPost, "/v2/"+ns+"/blobs/uploads/?mount="+d.String()+"&from="+from, "", "")
	return wantStatus(got, err, http.StatusCreated)
}

// wantStatus takes another success for a refusal.
func wantStatus(got Answer, err error, status int) error {
	if err == nil && got.Status != status {
		return &RefusedError{got}
	}
	return err
}

// Pull pulls a manifest by a tag or its digest, with all that it names.
func (c Client) Pull(ctx context.Context, ns, reference string, m ocitest.Manifest) error {
	if err := c.pull(ctx, "/v2/"+ns+"/manifests/"+reference, m.Text); err != nil {
		return err
	}
	for _, blob := range m.Blobs() {
		if err := c.pull(ctx, "/v2/"+ns+"/blobs/"+blob.Digest.String(), blob.Text); err != nil {
			return err
		}
	}
	for _, child := range m.Children {
		if err := c.Pull(ctx, ns, child.Digest.String(), child); err != nil {
			return err
		}
	}
	return nil
}

func (c Client) pull(ctx context.Context, path, want string) error {
	got, err := c.Send(ctx, http.MethodGet, path, "", "")
	if err == nil && got.Body != want {
		err = fmt.Errorf("%s: got %d bytes, want %d others", path, len(got.Body), len(want))
	}
	return err
}
