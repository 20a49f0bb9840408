package registry_test

import (
	"io"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage/faulty"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// inBucket is a new bucket of a service.
func inBucket(t *testing.T, server *s3test.Server) opener {
	t.Helper()
	cfg := server.Config(t)
	return func(t *testing.T) backend {
		t.Helper()
		s, err := s3.New(t.Context(), cfg, s3.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestEveryOperationInABucket(t *testing.T) {
	t.Parallel()
	every := sparse(20, 2)
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		for i, op := range operations {
			t.Run(op.name, func(t *testing.T) {
				t.Parallel()
				stores := newSharedStore(t, inBucket(t, server))
				facts := op.before(stores.world())
				w := stores.world()
				if err := op.do(w); err != nil {
					t.Fatal(err)
				}
				verify(t, op, "nothing disturbed", w, append(facts, w.acknowledged...))
				for n, more := 1+i%every, true; more && !t.Failed(); n += every {
					more = breakAt(t, newSharedStore(t, inBucket(t, server)), op, faulty.Plan{CutAt: n})
				}
			})
		}
	})
}

func TestNothingAcknowledgedIsCollectedInABucket(t *testing.T) {
	t.Parallel()
	every := sparse(20, 2)
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		for i, p := range promises {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				steps := p.keep(t, newSharedStore(t, inBucket(t, server)), i%2, schedule{})
				for look := 1 + i%every; look <= steps && !t.Failed(); look += every {
					s := schedule{look: look, act: look + look%7}
					if p.keep(t, newSharedStore(t, inBucket(t, server)), i%2, s); t.Failed() {
						t.Fatalf("with the collector at work %+v of %d steps", s, steps)
					}
				}
			})
		}
	})
}

func TestACollectorInABucketComesToAnEnd(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		u := newUntidy(t, newSharedStore(t, inBucket(t, server)))
		u.tidy()
		if dangling := registrytest.Check(t, u.subject(), u.facts...); len(dangling) > 0 {
			t.Errorf("what is gone is named by %q", dangling)
		}
	})
}

// TestAnUploadOfBytesThatABucketHasLooksOnceMore: its session cannot keep a collector from bytes that it did not put
// there, and says so.
func TestAnUploadOfBytesThatABucketHasLooksOnceMore(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		looksOnceMore(t, func(t *testing.T) *world {
			t.Helper()
			w := newWorld(t, inBucket(t, server))
			w.must(w.pushBlob(other, "shared"))
			return w
		})
	})
}

// TestATagThatMovesLeavesNothingBehind counts what lies in a bucket, also what no key leads to any more: on a service
// without conditional deletes it would stay.
func TestATagThatMovesLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		cfg := server.Config(t)
		at := func(t *testing.T) backend {
			t.Helper()
			s, err := s3.New(t.Context(), cfg, s3.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		w := newWorld(t, at)
		w.must(w.pushImage(app, "one"), w.pushImage(app, "two"))
		lying := func() int {
			t.Helper()
			list, err := server.Client().ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: &cfg.Bucket, Prefix: &cfg.Prefix})
			w.must(err)
			return len(list.Contents)
		}
		move := func() {
			for _, image := range []ocitest.Manifest{imageOne, imageTwo} {
				w.must(w.pushManifest(app, image.Content, tagV1))
			}
		}
		move()
		before := lying()
		move()
		move()
		if after := lying(); after != before {
			t.Errorf("%d objects lie in the bucket, want %d as before the tag moved four times", after, before)
		}
	})
}

// TestWhatIsDestroyedIsNotInTheBucket reads every object of a bucket, whatever its key: the bytes are in none of them.
func TestWhatIsDestroyedIsNotInTheBucket(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		cfg := server.Config(t)
		store, err := s3.New(t.Context(), cfg, s3.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, func(*testing.T) backend { return store })
		w.must(w.pushImage(app, "one"), w.pushImage(app, "two", tagV1))
		has := func(text string) bool {
			t.Helper()
			list, err := server.Client().ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: &cfg.Bucket})
			w.must(err)
			for _, object := range list.Contents {
				out, err := server.Client().GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &cfg.Bucket, Key: object.Key})
				w.must(err)
				content, err := io.ReadAll(out.Body)
				w.must(err, out.Body.Close())
				if strings.Contains(string(content), text) {
					return true
				}
			}
			return false
		}
		if !has("layer one") || !has("layer two") {
			t.Fatal("the bytes are not found where they are")
		}
		collector, err := gc.New(gc.Options{Registry: w.reg.Maintenance(), Config: gc.DefaultConfig()})
		w.must(err)
		digests := map[oci.Digest]bool{imageOne.Digest: true, ocitest.DigestOf("layer one"): true}
		chosen := gc.Chosen{Digests: map[oci.Name]map[oci.Digest]bool{app: digests}, Bytes: digests}
		all := 100.0
		for range 2 {
			_, err := collector.Run(t.Context(), gc.RunOptions{Only: gc.CollectPart, Chosen: &chosen, MaxDelete: &all})
			w.must(err)
		}
		if has("layer one") || has(imageOne.Text) || !has("layer two") {
			t.Errorf("in the bucket is the layer: %t, the manifest: %t, another layer: %t, want the last one alone", has("layer one"), has(imageOne.Text), has("layer two"))
		}
	})
}
