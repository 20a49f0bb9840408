package worlds

import (
	"github.com/sreg-project/sreg/internal/oci"
)

// docker is the layout of the Docker registry's filesystem driver, as its documentation draws it.
// Manifests are blobs there, and what names something is a file that holds its digest.
//
//	docker/registry/v2/blobs/<alg>/<2 hex>/<hex>/data
//	docker/registry/v2/repositories/<name>/_layers/<alg>/<hex>/link
//	docker/registry/v2/repositories/<name>/_manifests/revisions/<alg>/<hex>/link
//	docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link
//	docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/index/<alg>/<hex>/link
type docker struct{ folder }

const dockerRoot = "docker/registry/v2/"

func (d docker) blob(b blob) error {
	return d.put(dockerRoot+"blobs/"+string(b.digest.Algorithm())+"/"+b.digest.Hex()[:2]+"/"+b.digest.Hex()+"/data", b.content)
}

func (d docker) link(namespace string, to oci.Digest) error {
	return d.point(namespace, "_layers/"+dockerPath(to), to)
}

func (d docker) manifest(namespace string, m manifest) error {
	if err := d.blob(m.blob); err != nil {
		return err
	}
	if err := d.point(namespace, "_manifests/revisions/"+dockerPath(m.digest), m.digest); err != nil {
		return err
	}
	if m.tag == "" {
		return nil
	}
	tag := "_manifests/tags/" + m.tag
	if err := d.point(namespace, tag+"/index/"+dockerPath(m.digest), m.digest); err != nil {
		return err
	}
	return d.point(namespace, tag+"/current", m.digest)
}

// namespace needs nothing: a name is there when its folder is.
func (d docker) namespace(string) error { return nil }

func (d docker) point(namespace, path string, to oci.Digest) error {
	return d.put(dockerRoot+"repositories/"+namespace+"/"+path+"/link", []byte(to.String()))
}

func dockerPath(d oci.Digest) string { return string(d.Algorithm()) + "/" + d.Hex() }
