package access_test

import (
	"net/netip"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
)

func TestAnAddressOfIPv4LooksTheSameHoweverItCame(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"10.0.3.4": "10.0.3.4", "::ffff:10.0.3.4": "10.0.3.4", "2001:db8::1": "2001:db8::1"} {
		identity := access.Identity{ClientIP: netip.MustParseAddr(text)}
		if got := identity.Client(); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if got := (&access.Identity{}).Client(); got != "" {
		t.Errorf("nobody's address: got %q, want none", got)
	}
}
