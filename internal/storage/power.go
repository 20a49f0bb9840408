package storage

import (
	"context"
	"io"
	"time"
)

// The powers below are not every Store's. Ask for one by As, and go on without it where there is none.

// DataOpener is a Store that keeps the bytes of an object apart from the object itself.
type DataOpener interface {
	// OpenData opens the bytes that an Info named, without a look at their object. Where nothing lies any
	// more it is ErrNotExist, and a data key that is not of this Store is ErrKey.
	OpenData(ctx context.Context, key DataKey) (io.ReadSeekCloser, Info, error)
}

// Presigner is a Store whose bytes others can fetch by themselves.
type Presigner interface {
	// Presign gives a URL at which anybody can GET the bytes of a data key, ranges included, until it
	// expires. It asks nobody, so that it does not know whether something lies there.
	Presign(ctx context.Context, key DataKey, opts PresignOptions) (string, error)
}

// PresignOptions say what a URL stands for.
type PresignOptions struct {
	// Expires is for how long the URL works. It may be up to a tenth less: a URL may be given again.
	Expires time.Duration
	// MediaType is the Content-Type of the answer.
	MediaType string
}

// Fingerprinter is a Store that can tell at the cost of one look whether a folder has changed.
type Fingerprinter interface {
	// Fingerprint identifies the set of live objects one level below a prefix and their content. Not
	// settled means that no cache may rest on it.
	Fingerprint(ctx context.Context, prefix string) (stamp Stamp, settled bool, err error)
}

// Wrapper is a Store that stands in front of another one.
type Wrapper interface {
	Store
	// Unwrap gives the other one.
	Unwrap() Store
}

// As finds a power of a Store. The Store behind all wrappers decides whether it is there: a wrapper has no
// power of its own. What comes back is the outermost Store with the power's method, so a wrapper that has
// something to do there implements the method, and any other one does not hide it.
func As[Power any](s Store) (power Power, ok bool) {
	found := false
	for {
		here, has := s.(Power)
		if has && !found {
			power, found = here, true
		}
		wrapper, wraps := s.(Wrapper)
		if !wraps {
			return power, has
		}
		s = wrapper.Unwrap()
	}
}
