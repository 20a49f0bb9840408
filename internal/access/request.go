package access

import "github.com/sreg-project/sreg/internal/oci"

// Request is one request, parsed once: the router makes it, and policy, metrics and logs read it. What
// a request does not carry is the zero value.
type Request struct {
	Action Action
	// Method is the HTTP method; a HEAD has the action of its GET.
	Method string
	// Namespace is the <name> in the path.
	Namespace oci.Name
	// Reference names the manifest in the path.
	Reference oci.Reference
	// Digest is the blob or subject in the path, the blob that ends an upload, or the one to mount.
	Digest oci.Digest
	// Tags are the tags that the request names to write or to remove: the reference of a PUT or a DELETE, or the ?tag=
	// parameters of a PUT. Those that go with a manifest which is deleted are known to authorization alone.
	Tags []oci.Tag
	// From is the namespace that a mount takes its blob from.
	From oci.Name
	// SessionID names the upload in the path.
	SessionID string
	// ArtifactType filters referrers.
	ArtifactType string
	// N is the size of the page asked for, if HasN: 0 may be asked for, too.
	N    int
	HasN bool
	// Last is the name after which the page begins.
	Last string
}
