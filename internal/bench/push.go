package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

func manifestPath(namespace, reference string) string {
	return "/v2/" + namespace + "/manifests/" + reference
}

func blobPath(namespace, digest string) string {
	return "/v2/" + namespace + "/blobs/" + digest
}

func uploadPath(namespace string) string {
	return "/v2/" + namespace + "/blobs/uploads/"
}

// pushBlob is what most clients do: begin, then send everything at once.
func (c *client) pushBlob(namespace string, b blob) error {
	begun, err := c.do(post(uploadPath(namespace), http.StatusAccepted), nil)
	if err != nil {
		return err
	}
	sep := "?"
	if strings.Contains(begun.location, "?") {
		sep = "&"
	}
	at := begun.location + sep + "digest=" + url.QueryEscape(b.digest)
	_, err = c.do(put(at, bytesType, b.head, b.tail), nil)
	return err
}

// mountBlob links a blob of another namespace.
func (c *client) mountBlob(namespace, from, digest string) error {
	at := uploadPath(namespace) + "?mount=" + url.QueryEscape(digest) + "&from=" + url.QueryEscape(from)
	_, err := c.do(post(at, http.StatusCreated), nil)
	return err
}

func (c *client) pushManifest(namespace, reference string, manifest []byte) error {
	_, err := c.do(put(manifestPath(namespace, reference), manifestType, manifest), nil)
	return err
}

// pushImage is five requests: two for each blob, one for the manifest under its tag.
func (c *client) pushImage(namespace, tag string, img image) error {
	for _, b := range []blob{img.config, img.layer} {
		if err := c.pushBlob(namespace, b); err != nil {
			return err
		}
	}
	return c.pushManifest(namespace, tag, img.manifest)
}

// pushImages is the load that pushes each image once, under a tag of its own.
func pushImages(namespace, tagPrefix string, images []image) load {
	return load{clients: someClients, ops: len(images), op: func(c *client, i int) error {
		return c.pushImage(namespace, fmt.Sprintf("%s%d", tagPrefix, i), images[i])
	}}
}

// fillTags pushes one image and gives it n tags, t00000 and on.
func fillTags(ctx context.Context, srv *server, namespace string, img image, n int) error {
	if err := srv.do(ctx, func(c *client) error { return c.pushImage(namespace, tagName(0), img) }); err != nil {
		return fmt.Errorf("fill %s: %w", namespace, err)
	}
	_, err := srv.measure(ctx, load{clients: someClients, ops: n, op: func(c *client, i int) error {
		return c.pushManifest(namespace, tagName(i), img.manifest)
	}})
	return err
}

func tagName(i int) string { return fmt.Sprintf("t%05d", i) }

// fillNamespaces gives each of n namespaces the same image, its blobs mounted from the first.
func fillNamespaces(ctx context.Context, srv *server, img image, n int) error {
	first := namespaceName(0)
	if err := srv.do(ctx, func(c *client) error { return c.pushImage(first, "latest", img) }); err != nil {
		return fmt.Errorf("fill namespaces: %w", err)
	}
	_, err := srv.measure(ctx, load{clients: someClients, ops: n - 1, op: func(c *client, i int) error {
		name := namespaceName(i + 1)
		for _, b := range []blob{img.config, img.layer} {
			if err := c.mountBlob(name, first, b.digest); err != nil {
				return err
			}
		}
		return c.pushManifest(name, "latest", img.manifest)
	}})
	return err
}

// namespaceName spreads the namespaces over teams, as people do.
func namespaceName(i int) string { return fmt.Sprintf("team%02d/app%04d", i%50, i) }
