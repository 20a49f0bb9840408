package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/redisclient/redistest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// replicaCount is how many processes serve one store: with two, each other request would do.
const replicaCount = 3

// replicas are processes of sreg serve with one config over one bucket and one Redis, and a balancer that
// sends them requests by turns.
type replicas struct {
	*server  // the balancer, as clients see it
	balancer *balancer
	members  []*server
	redis    *redistest.Server
	bucket   s3.Config // without anything in between
	yaml     string    // the config of all, for commands beside them, too
	program  string
}

// replicaOptions is what differs between tests.
type replicaOptions struct {
	// Service runs the S3 service; nil is versitygw.
	Service func(testing.TB) *s3test.Server
	// Between puts something between the replicas and the service.
	Between func(s3.Config) s3.Config
	// Stream has blobs go through the replicas, and not by a redirect.
	Stream bool
	// More is added to the config.
	More string
	// Raced runs the program with the race detector inside.
	Raced bool
	// LateReads lets a replica answer manifests without a look, as it does by default.
	LateReads bool
}

// lease is as short as the config lets it be, so that a test can outlast it.
const lease = time.Second

func newReplicas(t *testing.T, opts replicaOptions) *replicas {
	t.Helper()
	if opts.Service == nil {
		opts.Service = s3test.Start
	}
	r := &replicas{redis: redistest.Start(t, redistest.Options{}), balancer: newBalancer(t), program: binary}
	if opts.Raced {
		var err error
		if r.program, err = withRaceDetector(); err != nil {
			t.Fatal(err)
		}
	}
	r.bucket = opts.Service(t).Config(t)
	seen := r.bucket
	if opts.Between != nil {
		seen = opts.Between(seen)
	}
	ttl := "0s"
	if opts.LateReads {
		ttl = "10s"
	}
	r.yaml = fmt.Sprintf("storage: {blobs: %s, metadata_cache_ttl: %s}\n", s3YAML(seen, !opts.Stream), ttl) +
		fmt.Sprintf("redis: {url: %q}\nlocks: {type: redis, lease: %s}\ncache: {type: redis}\n", r.redis.URL(), lease) +
		opts.More
	for range replicaCount {
		r.add(t)
	}
	r.server = &server{address: r.balancer.address()}
	return r
}

// add starts one more, which the balancer knows at once.
func (r *replicas) add(t *testing.T) *server {
	t.Helper()
	s := serveProgram(t, r.program, r.yaml)
	r.members = append(r.members, s)
	r.balance()
	return s
}

func (r *replicas) balance() {
	var addresses []string
	for _, s := range r.members {
		addresses = append(addresses, s.address)
	}
	r.balancer.use(addresses...)
}

// forget takes a replica away that has ended; the balancer goes on calling it until then.
func (r *replicas) forget(s *server) {
	var rest []*server
	for _, member := range r.members {
		if member != s {
			rest = append(rest, member)
		}
	}
	r.members = rest
	r.balance()
}

// serveYAML starts sreg with a config that says where it keeps everything.
func serveYAML(t *testing.T, yaml string) *server {
	t.Helper()
	return serveProgram(t, binary, yaml)
}

func serveProgram(t *testing.T, program, yaml string) *server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sreg.yaml")
	writeFile(t, config, yaml)
	p := start(t, exec.Command(program, "serve", "-c", config, "--address", "127.0.0.1:0"))
	return &server{address: p.await(t, regexp.MustCompile(`address\s+https?://(\S+)`))[1], process: p}
}

// s3YAML is a bucket as a store has it in a config. What goes wrong is given up as soon as tests want it.
func s3YAML(cfg s3.Config, redirect bool) string {
	return fmt.Sprintf("{type: s3, s3: {endpoint: %q, bucket: %s, region: %s, path_style: true, access_key_id: %s, secret_access_key: %s, "+
		"part_size: %s, upload_memory: %s, redirect: %t, attempt_timeout: 5s, timeout: 20s, breaker: {cooldown: 1s}}}",
		cfg.Endpoint, cfg.Bucket, cfg.Region, cfg.AccessKeyID, cfg.SecretAccessKey.Reveal(), cfg.PartSize, cfg.UploadMemory, redirect)
}

// checkBucket opens a bucket beside the servers on it, or behind them, and verifies S1 to S6 there and what
// was acknowledged.
func checkBucket(t *testing.T, cfg s3.Config, facts ...registrytest.Fact) {
	t.Helper()
	store, err := s3.New(t.Context(), cfg, s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	opened, err := registry.New(t.Context(), registry.Options{
		Blobs: store, Metadata: store, Locks: memory.New(), Config: registry.DefaultConfig(), Now: time.Now,
	})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	subject := registrytest.Subject{Registry: opened, Blobs: store, Metadata: store}
	if dangling := registrytest.Check(t, subject, facts...); len(dangling) > 0 {
		t.Errorf("S2: what is gone is named by %q", dangling)
	}
}

// wantAllWhole pulls what every tag stands for, by every replica, as a client does that knows nothing else.
func (r *replicas) wantAllWhole(t *testing.T) {
	t.Helper()
	for _, s := range r.members {
		w := newWire(t, s)
		tags, err := w.allTags()
		if err != nil {
			t.Errorf("%s: list all tags: %v", s.address, err)
			continue
		}
		for _, ref := range tags {
			if err := w.pullAnything(ref.ns, ref.tag); err != nil {
				t.Errorf("%s: %s:%s, which is listed: %v", s.address, ref.ns, ref.tag, err)
			}
		}
	}
}

// tagRef is a tag of a namespace.
type tagRef struct{ ns, tag string }

func (w *wire) allTags() (tags []tagRef, err error) {
	var catalog struct{ Repositories []string }
	if err := w.read("/v2/_catalog?n=1000", &catalog); err != nil {
		return nil, err
	}
	for _, ns := range catalog.Repositories {
		var list struct{ Tags []string }
		err := w.read("/v2/"+ns+"/tags/list?n=1000", &list)
		if httpapitest.Refused(err, http.StatusNotFound) {
			continue // its last manifest went meanwhile
		}
		if err != nil {
			return nil, err
		}
		for _, tag := range list.Tags {
			tags = append(tags, tagRef{ns, tag})
		}
	}
	return tags, nil
}

func (w *wire) read(path string, into any) error {
	got, err := w.send(http.MethodGet, path, "", "")
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(got.Body), into)
}

// pullAnything pulls what a tag or a digest stands for, with all that it names, and hashes it.
func (w *wire) pullAnything(ns, reference string) error {
	got, err := w.send(http.MethodGet, "/v2/"+ns+"/manifests/"+reference, "", "")
	if err != nil {
		return err
	}
	var manifest struct {
		Config            *named
		Layers, Manifests []named
	}
	if err := json.Unmarshal([]byte(got.Body), &manifest); err != nil {
		return err
	}
	if manifest.Config != nil {
		manifest.Layers = append(manifest.Layers, *manifest.Config)
	}
	for _, blob := range manifest.Layers {
		got, err := w.send(http.MethodGet, "/v2/"+ns+"/blobs/"+blob.Digest, "", "")
		if err != nil {
			return err
		}
		if d := ocitest.DigestOf(got.Body).String(); d != blob.Digest {
			return fmt.Errorf("blob %s: got %d bytes that hash to %s", blob.Digest, len(got.Body), d)
		}
	}
	for _, child := range manifest.Manifests {
		if err := w.pullAnything(ns, child.Digest); err != nil {
			return err
		}
	}
	return nil
}

type named struct{ Digest string }
