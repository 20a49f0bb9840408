package authn

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies finds the address of a client behind the proxies that are trusted.
type Proxies struct {
	Trusted []netip.Prefix
	Sockets bool // whoever connects to a unix socket is one, too
}

// ClientIP is the address that the request came from: that of the connection, or, if that is a trusted proxy's, the
// one in its header. The header is read from the right, because a client can write anything to the left. If it cannot
// be read, the address is not valid. Two headers that disagree are an error: a proxy that writes one of them passes
// the other on as the client wrote it.
func (p Proxies) ClientIP(r *http.Request) (netip.Addr, error) {
	peer := parseRemote(r.RemoteAddr)
	if !p.Trusts(peer) {
		return peer, nil
	}
	forwarded, standard := p.walk(peer, forwardedFor(r.Header["Forwarded"]))
	listed, usual := p.walk(peer, listedFor(r.Header["X-Forwarded-For"]))
	switch {
	case standard && usual && forwarded != listed:
		return netip.Addr{}, errTwoClients
	case standard:
		return forwarded, nil
	case usual:
		return listed, nil
	}
	return peer, nil
}

// Secure says that the client spoke TLS, with us or with a trusted proxy.
func (p Proxies) Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if !p.Trusts(parseRemote(r.RemoteAddr)) {
		return false
	}
	if list := r.Header["X-Forwarded-Proto"]; len(list) > 0 {
		last := list[len(list)-1]
		return strings.EqualFold(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]), "https")
	}
	for _, element := range elements(r.Header["Forwarded"]) {
		if strings.EqualFold(parameter(element, "proto"), "https") {
			return true
		}
	}
	return false
}

// Trusts says that an address is a trusted proxy's. That of a unix socket's peer is not valid.
func (p Proxies) Trusts(addr netip.Addr) bool {
	if !addr.IsValid() {
		return p.Sockets
	}
	return slices.ContainsFunc(p.Trusted, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// walk reads the addresses that proxies wrote from the right, as long as a trusted proxy wrote them. One that it cannot
// read ends it: then the client is unknown.
func (p Proxies) walk(peer netip.Addr, hops []string) (client netip.Addr, told bool) {
	client = peer
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseHop(hop)
		if !ok {
			return netip.Addr{}, true
		}
		client = addr
		if !p.Trusts(addr) {
			break
		}
	}
	return client, len(hops) > 0
}

func parseRemote(remote string) netip.Addr {
	addrPort, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return addrPort.Addr().Unmap().WithZone("")
}

// parseHop reads an address with or without a port, IPv6 with or without brackets.
func parseHop(hop string) (netip.Addr, bool) {
	if addrPort, err := netip.ParseAddrPort(hop); err == nil {
		return addrPort.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(hop, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
		hop = inner
	}
	addr, err := netip.ParseAddr(hop)
	return addr.Unmap().WithZone(""), err == nil
}

// listedFor are the entries of X-Forwarded-For, all its lines in order.
func listedFor(lines []string) []string {
	var hops []string
	for _, line := range lines {
		for entry := range strings.SplitSeq(line, ",") {
			hops = append(hops, strings.TrimSpace(entry))
		}
	}
	return hops
}

// forwardedFor are the for parameters of Forwarded (RFC 7239). An element without one is a hop that
// nobody knows.
func forwardedFor(lines []string) []string {
	var hops []string
	for _, element := range elements(lines) {
		hops = append(hops, parameter(element, "for"))
	}
	return hops
}

// elements are the comma-separated parts of a header; a comma within quotes separates nothing.
func elements(lines []string) []string {
	var parts []string
	for _, line := range lines {
		parts = append(parts, splitOutsideQuotes(line, ',')...)
	}
	return parts
}

// parameter is the value of a parameter of a Forwarded element, without its quotes. One that is there
// twice is none.
func parameter(element, name string) string {
	value, found := "", false
	for _, pair := range splitOutsideQuotes(element, ';') {
		key, v, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(key), name) {
			continue
		}
		if found {
			return ""
		}
		value, found = strings.TrimSpace(v), true
	}
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return value
}

func splitOutsideQuotes(s string, separator byte) []string {
	var parts []string
	quoted, begin := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == separator && !quoted:
			parts = append(parts, s[begin:i])
			begin = i + 1
		}
	}
	return append(parts, s[begin:])
}
