package commands

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/telemetry"
)

// start is what a person wants to know when a server has started.
type start struct {
	build   telemetry.Build
	config  *config.Config
	sources config.Sources
	folders []string // where a config was looked for
	roots   []string
	bound   []server.Bound
}

// printStart prints a few lines, each a word and what it is about, all at once: who waits for one of them
// has the others, too.
func printStart(w io.Writer, s start) {
	var text strings.Builder
	defer func() { fmt.Fprint(w, text.String()) }()
	line := func(word, about string) { fmt.Fprintf(&text, "  %-8s %s\n", word, about) }
	fmt.Fprintf(&text, "sreg %s\n", s.build.Version)
	for _, b := range s.bound {
		line("address", describe(b))
	}
	for _, root := range s.roots {
		line("data", root)
	}
	line("config", s.configLine())
	line("access", s.accessLine())
	for _, command := range firstCommands(s.bound) {
		line("try", command)
	}
}

// accessLine says in one line who may do what.
func (s start) accessLine() string {
	rules := 0
	for _, repository := range s.config.Repositories {
		if repository.Policy != nil {
			rules += len(repository.Policy.Rules)
		}
	}
	global := s.config.Policy
	switch {
	case global == nil && rules == 0:
		return "anybody on this computer may push and pull: sreg listens on loopback only"
	case global == nil:
		return fmt.Sprintf("%d rules of repositories say who may do what, all else is denied", rules)
	}
	rules += len(global.Rules)
	if global.Default == "allow" && rules == 0 {
		return "anybody who reaches an address above may push and pull: policy.default is allow"
	}
	return fmt.Sprintf("%d rules say who may do what, policy.default is %s; try sreg policy explain", rules, global.Default)
}

func (s start) configLine() string {
	if len(s.sources.Files) == 0 {
		return "defaults; there is no sreg.yaml in " + strings.Join(s.folders, ", ")
	}
	return strings.Join(s.sources.Files, ", ")
}

// describe is a URL, or the socket; and what an operator's listener is for.
func describe(b server.Bound) string {
	address := "unix:" + b.Addr.String()
	if b.Addr.Network() != "unix" {
		address = scheme(b) + b.Addr.String()
	}
	if len(b.Serves) > 0 {
		address += " (" + strings.Join(b.Serves, ", ") + ")"
	}
	return address
}

func scheme(b server.Bound) string {
	if b.TLS {
		return "https://"
	}
	return "http://"
}

// firstCommands are two that work with what a newcomer has.
func firstCommands(bound []server.Bound) []string {
	var socket string
	for _, b := range bound {
		if len(b.Serves) > 0 {
			continue
		}
		if b.Addr.Network() == "unix" {
			socket = b.Addr.String()
			continue
		}
		host := reachable(b.Addr)
		return []string{
			"docker pull alpine && docker tag alpine " + host + "/alpine",
			"docker push " + host + "/alpine",
		}
	}
	return []string{
		"curl --unix-socket " + socket + " http://sreg/v2/",
		"curl --unix-socket " + socket + " http://sreg/v2/_catalog",
	}
}

// reachable is an address that works from this computer, also when all of its addresses are bound.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return addr.String()
}
