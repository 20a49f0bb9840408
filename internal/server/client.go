package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Proxies knows the proxies that are trusted to say who their clients are. The address of a peer is not valid if it
// has none, such as one on a unix socket.
type Proxies interface {
	// Trusts says that connections from a peer are a proxy's.
	Trusts(peer netip.Addr) bool
	// ClientIP is the client that a trusted proxy names. It is not valid, or there is an error, if nobody can tell.
	ClientIP(r *http.Request) (netip.Addr, error)
}

// clients counts what each client has, and bounds it.
type clients struct {
	connections limit // by client

	mu   sync.Mutex // guards what follows
	of   map[netip.Addr]*client
	open int // connections of all clients
}

// limit is a bound of what one client has, which counts only while all clients together have enough to make the
// server busy: what nobody else needs, one may have.
type limit struct {
	each atomic.Int64 // 0 = none
	busy atomic.Int64 // how many of all are enough
}

func (l *limit) set(each, busy int) {
	l.each.Store(int64(each))
	l.busy.Store(int64(busy))
}

// exceeded says that a client which has so many, of so many of all, may have no more.
func (l *limit) exceeded(has, all int64) bool {
	each := l.each.Load()
	return each > 0 && has >= each && all >= l.busy.Load()
}

// client is an address with something open: what one client owns, which is an IPv4 address, or the /64 that an IPv6
// client may choose from.
type client struct {
	addr        netip.Addr
	connections atomic.Int64 // changed under mu of the clients
	requests    atomic.Int64
}

func newClients(limits Limits) *clients {
	c := &clients{of: map[netip.Addr]*client{}}
	c.limit(limits)
	return c
}

// limit replaces the bound.
func (c *clients) limit(limits Limits) {
	c.connections.set(limits.ConnectionsPerClient, limits.MaxConcurrentRequests)
}

// connect says whether a peer may have one more connection, and counts it. A trusted proxy may have any number: they are
// its clients'. disconnect must follow.
func (c *clients) connect(peer netip.Addr, trusted bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if peer.IsValid() {
		client := c.find(peer)
		if !trusted && c.connections.exceeded(client.connections.Load(), int64(c.open)) {
			return false
		}
		client.connections.Add(1)
	}
	c.open++
	return true
}

func (c *clients) disconnect(peer netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if client := c.of[keyOf(peer)]; client != nil {
		client.connections.Add(-1)
		c.forget(client)
	}
}

// find returns the client of an address; mu is held.
func (c *clients) find(addr netip.Addr) *client {
	key := keyOf(addr)
	found := c.of[key]
	if found == nil {
		found = &client{addr: key}
		c.of[key] = found
	}
	return found
}

// forget drops a client that has nothing open; mu is held.
func (c *clients) forget(client *client) {
	if client.connections.Load() == 0 && client.requests.Load() == 0 {
		delete(c.of, client.addr)
	}
}

// begin counts a request of an address that is valid. end must follow.
func (c *clients) begin(addr netip.Addr) *client {
	c.mu.Lock()
	defer c.mu.Unlock()
	client := c.find(addr)
	client.requests.Add(1)
	return client
}

// beginOn counts a request on a connection of its client, without a lock while that is open. HTTP/2 may run a request
// after its connection has been closed, when the client may have been forgotten.
func (c *clients) beginOn(client *client) *client {
	client.requests.Add(1)
	if client.connections.Load() > 0 {
		return client
	}
	defer client.requests.Add(-1)
	return c.begin(client.addr)
}

func (c *clients) end(client *client) {
	if client.requests.Add(-1) > 0 || client.connections.Load() > 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[client.addr] == client {
		c.forget(client)
	}
}

// connState is what the requests of one connection have together. It rides in the context, because net/http shows a
// handler nothing else of a connection.
type connState struct {
	writing deadline
	peer    netip.Addr
	client  *client // of the peer, nil if that has no address
}

type connKey struct{}

// withState gives a connection that was counted its state.
func (c *clients) withState(ctx context.Context, conn net.Conn) context.Context {
	state := &connState{peer: peerOf(conn.RemoteAddr().String())}
	if state.peer.IsValid() {
		c.mu.Lock()
		state.client = c.find(state.peer)
		c.mu.Unlock()
	}
	return context.WithValue(ctx, connKey{}, state)
}

// peerOf returns the address of a peer, which is not valid if it has none. An IPv4 client is the
// same over an IPv6 socket.
func peerOf(remoteAddr string) netip.Addr {
	addrPort, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addrPort.Addr().Unmap().WithZone("")
}

// keyOf is what one client owns.
func keyOf(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}
