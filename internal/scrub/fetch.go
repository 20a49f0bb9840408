package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sreg-project/sreg/internal/registry"
)

// fetch gets the content of an object from where it came. Take must verify it.
func (s *scrubber) fetch(ctx context.Context, o registry.Object, take func(io.Reader) error) error {
	content, err := s.opts.Fetch(ctx, o.Namespace, o.Digest)
	if err != nil {
		return fmt.Errorf("fetch %s of %s: %w", o.Digest, o.Namespace, err)
	}
	return errors.Join(take(content), content.Close())
}

// fetchManifests gets back the manifests that were moved aside, after the blobs that they name. An index needs its
// children first: so it repeats that as long as one more comes back.
func (s *scrubber) fetchManifests(ctx context.Context) error {
	if !s.opts.Repair || s.opts.Fetch == nil {
		return nil
	}
	findings := s.run.state.Report.Findings
	for more := true; more; {
		more = false
		for i := range findings {
			f := &findings[i]
			o := registry.ParseKey(f.Key)
			if o.Kind != registry.KindManifest || f.Repaired != movedAside {
				continue
			}
			err := s.fetch(ctx, o, func(content io.Reader) error {
				return s.reg.RefetchManifest(ctx, o.Namespace, o.Digest, f.MediaType, content)
			})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				f.Problem = err.Error()
				continue
			}
			f.Repaired, f.Problem, more = "moved aside and fetched again", "", true
		}
	}
	return nil
}
