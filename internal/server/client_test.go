package server

import (
	"net/netip"
	"testing"
)

func TestWhatOneClientOwns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ peer, want string }{
		{"192.0.2.1:1", "192.0.2.1"},
		{"[::ffff:192.0.2.1]:1", "192.0.2.1"},
		{"[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::"},
		{"[fe80::1%eth0]:1", "fe80::"},
	} {
		if got := keyOf(peerOf(tt.peer)).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.peer, got, tt.want)
		}
	}
	if peer := peerOf("@"); peer.IsValid() {
		t.Errorf("a unix socket: got %s, want no address", peer)
	}
}

// TestOneClientMayHaveWhatNobodyNeeds: a bound of one client counts while the server is busy, so that those who share
// an address are not refused by a server that has nothing to do.
func TestOneClientMayHaveWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	c := newClients(Limits{MaxConcurrentRequests: 5, ConnectionsPerClient: 2})
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for n := range 5 {
		if !c.connect(one, false) {
			t.Fatalf("connection %d of one client was refused, want that it has what nobody needs", n+1)
		}
	}
	if c.connect(one, false) {
		t.Error("a busy server took one more of the same client, want that it is refused")
	}
	if !c.connect(one, true) {
		t.Error("a trusted proxy was refused, want that its clients are counted and not the proxy")
	}
	for n := range 2 {
		if !c.connect(other, false) {
			t.Errorf("connection %d of another client was refused, want two", n+1)
		}
	}
	if c.connect(other, false) {
		t.Error("a third one of the other client was taken, want that it is refused")
	}
	for range 6 {
		c.disconnect(one)
	}
	for range 2 {
		c.disconnect(other)
	}
	if len(c.of) > 0 || c.open != 0 {
		t.Errorf("got clients %v and %d connections after the last one, want none", c.of, c.open)
	}
}

// TestARequestOutlivesItsConnection as one of HTTP/2 may: it counts for the connections that come after.
func TestARequestOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	c := newClients(Limits{})
	addr := netip.MustParseAddr("192.0.2.1")
	c.connect(addr, false)
	before := c.of[addr]
	first := c.beginOn(before)
	c.disconnect(addr)
	if got := c.of[addr]; got == nil || got.requests.Load() != 1 {
		t.Fatalf("got client %v while its request is under way, want it with one request", got)
	}
	c.end(first)
	if len(c.of) > 0 {
		t.Fatalf("got clients %v at the end, want none", c.of)
	}
	late := c.beginOn(before) // begins after its connection was closed
	if got := c.of[addr]; got == nil || got.requests.Load() != 1 || got != late {
		t.Errorf("got client %v for a late request, want one request", got)
	}
	c.end(late)
	if len(c.of) > 0 {
		t.Errorf("got clients %v at the end, want none", c.of)
	}
}
