package server

import (
	"fmt"
	"net"
	"slices"
)

// Health is the listener that answers whether the server is well: one that serves health, or else the first one of
// the registry. It is asked by its address, in which a host that stands for all addresses is this computer's.
func (c Config) Health() (l Listener, at Address, err error) {
	i := slices.IndexFunc(c.Listeners, func(l Listener) bool { return slices.Contains(l.Serves, "health") })
	if i < 0 {
		i = slices.IndexFunc(c.Listeners, func(l Listener) bool { return len(l.Serves) == 0 })
	}
	if i < 0 {
		return Listener{}, Address{}, fmt.Errorf("no listener serves health")
	}
	if at, err = ParseAddress(c.Listeners[i].Address); err != nil || at.Network != "tcp" {
		return c.Listeners[i], at, err
	}
	host, port, err := net.SplitHostPort(at.Name)
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	at.Name = net.JoinHostPort(host, port)
	return c.Listeners[i], at, err
}
