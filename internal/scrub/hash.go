package scrub

import (
	"context"
	"fmt"
	"io"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// chunkSize is how much is read at once, in bytes; also what the rate may be exceeded by.
const chunkSize = 128 << 10

// hashObject tells whether the bytes of an object hash to its digest, and how many they are.
func (s *scrubber) hashObject(ctx context.Context, o registry.Object) (good bool, n int64, err error) {
	content, _, err := s.reg.OpenObject(ctx, o)
	if err != nil {
		return false, 0, err
	}
	defer content.Close()
	return s.hash(ctx, o.Digest, content)
}

// hash reads no faster than the rate, and stops when the run is interrupted.
func (s *scrubber) hash(ctx context.Context, want oci.Digest, content io.Reader) (good bool, n int64, err error) {
	h := want.Algorithm().New()
	buffer := make([]byte, chunkSize)
	for {
		read, err := content.Read(buffer)
		h.Write(buffer[:read])
		n += int64(read)
		if err == io.EOF {
			return oci.NewDigest(want.Algorithm(), h.Sum(nil)) == want, n, nil
		}
		if err != nil {
			return false, n, fmt.Errorf("hash %s: %w", want, err)
		}
		if err := s.wait(ctx, read); err != nil {
			return false, n, err
		}
	}
}

func (s *scrubber) wait(ctx context.Context, n int) error {
	if s.limiter == nil {
		return ctx.Err()
	}
	return s.limiter.WaitN(ctx, n)
}
