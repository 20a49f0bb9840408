package registry

import (
	"context"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
)

// PullTimes placeholder.
type PullTimes struct {
	Tags      map[oci.Tag]time.Time
	Manifests map[oci.Digest]time.Time
}

// PullTimes placeholder.
func (r *Registry) PullTimes(context.Context, oci.Name) (PullTimes, error) { return PullTimes{}, nil }
