package server

import (
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// perClient bounds how many of something each client address has. A client without an address, such
// as one on a unix socket, has no bound.
type perClient struct {
	limit int // 0 = none

	mu    sync.Mutex // guards count
	count map[netip.Addr]int
}

func newPerClient(limit int) *perClient {
	return &perClient{limit: limit, count: map[netip.Addr]int{}}
}

// enter tells whether the client may have one more; if so, leave gives it back.
func (c *perClient) enter(client netip.Addr) bool {
	if c.limit == 0 || !client.IsValid() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[client] >= c.limit {
		return false
	}
	c.count[client]++
	return true
}

func (c *perClient) leave(client netip.Addr) {
	if c.limit == 0 || !client.IsValid() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[client]--; c.count[client] <= 0 {
		delete(c.count, client)
	}
}

func (c *perClient) leaveConn(conn net.Conn) {
	c.leave(clientOf(conn.RemoteAddr().String()))
}

// connState gives a connection back that the http.Server is done with.
func (c *perClient) connState(conn net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		c.leaveConn(conn)
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

// clientListener closes the connections that a client has too many. It returns those it accepts as
// they are: a wrapper would hide that they can send files.
type clientListener struct {
	net.Listener
	clients *perClient
	refused prometheus.Counter
}

// Accept returns the next connection of a client that may have one more.
func (l *clientListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.clients.enter(clientOf(conn.RemoteAddr().String())) {
			return conn, nil
		}
		l.refused.Inc()
		_ = conn.Close()
	}
}
