package gc

import (
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

func TestEachDigestHasOneNumber(t *testing.T) {
	t.Parallel()
	var all digests
	want := map[oci.Digest]uint32{}
	for i := range 100 {
		for _, algorithm := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
			d := oci.DigestOf(algorithm, fmt.Append(nil, i))
			if n, known := all.find(d); known {
				t.Fatalf("%s has the number %d before it gets one", d, n)
			}
			n, fresh := all.number(d)
			if !fresh || int(n) != len(want) {
				t.Fatalf("%s: got %d, new: %t, want %d as a new one", d, n, fresh, len(want))
			}
			want[d] = n
		}
	}
	for d, n := range want {
		found, known := all.find(d)
		if again, fresh := all.number(d); !known || found != n || fresh || again != n {
			t.Errorf("%s: got %d, then %d, want %d", d, found, again, n)
		}
	}
}
