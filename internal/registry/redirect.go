package registry

import (
	"time"

	"github.com/sreg-project/sreg/internal/oci"
)

// minRedirect is how long a URL opens its blob at least: a client whose permission ends this moment has
// just been let in, and needs the time to follow.
const minRedirect = 5 * time.Second

// redirects tells whether pulls of a namespace's blobs are sent to their store.
func (r *Registry) redirects(ns oci.Name) bool {
	if !r.blobsAreService {
		return false
	}
	if own, ok := r.rules.repositories.Of(ns); ok && own.redirect != nil {
		return *own.redirect
	}
	return r.redirect
}

// redirectFor is how long a URL opens its blob that is given to somebody whose permission ends at a time,
// zero if it does not.
func (r *Registry) redirectFor(until time.Time) time.Duration {
	if until.IsZero() {
		return r.redirectTTL
	}
	return min(r.redirectTTL, max(until.Sub(r.now()), minRedirect))
}
