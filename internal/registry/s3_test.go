package registry_test

import (
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

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
