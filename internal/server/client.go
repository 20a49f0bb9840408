package server

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// perClient counts how many of something each client address has, and bounds it. A client without an
// address, such as one on a unix socket, has no bound.
type perClient struct {
	limit atomic.Int64 // 0 = none

	mu    sync.Mutex // guards count
	count map[netip.Addr]int
}

func newPerClient(limit int) *perClient {
	c := &perClient{count: map[netip.Addr]int{}}
	c.limit.Store(int64(limit))
	return c
}

// enter says whether the client may have one more, and counts it. leave must follow if so. It counts
// without a limit, too: one may be set before the client leaves.
func (c *perClient) enter(client netip.Addr) bool {
	if !client.IsValid() {
		return true
	}
	limit := c.limit.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit > 0 && int64(c.count[client]) >= limit {
		return false
	}
	c.count[client]++
	return true
}

func (c *perClient) leave(client netip.Addr) {
	if !client.IsValid() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[client]--; c.count[client] <= 0 {
		delete(c.count, client)
	}
}

// clientOf returns the address of a client, which is not valid if it has none. An IPv4 client is the
// same over an IPv6 socket.
func clientOf(remoteAddr string) netip.Addr {
	addrPort, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addrPort.Addr().Unmap()
}

func clientOfConn(conn net.Conn) netip.Addr { return clientOf(conn.RemoteAddr().String()) }
