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
	if text := s.signInLine(); text != "" {
		line("sign-in", text)
	}
	for _, command := range firstCommands(s.bound, s.config.Auth.Active()) {
		line("try", command)
	}
}

// accessLine says in one line who may do what.
func (s start) accessLine() string {
	rules, repositories, hooked := 0, 0, false
	for _, r := range s.config.Repositories {
		if r.Policy != nil {
			repositories++
			rules += len(r.Policy.Rules)
			hooked = hooked || r.Policy.Webhook != ""
		}
	}
	global := s.config.Policy
	switch {
	case global == nil && repositories == 0:
		return "anybody on this computer may push and pull: sreg listens on loopback only"
	case global == nil:
		return "by the policies of " + countedAs(repositories, "repository", "repositories") + ", all else is denied"
	case global.DeniesAll():
		return "nobody may do anything: policy.default is deny, and there is no rule"
	case global.Default == "allow" && rules+len(global.Rules)+repositories == 0 && global.Webhook == "":
		return "anybody who reaches an address above may push and pull: policy.default is allow"
	}
	decides, otherwise := "allows", "denied"
	if global.Default == "allow" {
		decides, otherwise = "denies", "allowed"
	}
	line := fmt.Sprintf("by %s; what none %s is %s", counted(rules+len(global.Rules), "rule"), decides, otherwise)
	if hooked || global.Webhook != "" {
		line += ", then by a webhook"
	}
	return line + "; sreg policy explain tells more"
}

// signInLine says how one can sign in. It is empty where nothing asks for that.
func (s start) signInLine() string {
	var ways []string
	if len(s.config.Auth.Users) > 0 || s.config.Auth.UsersFile != "" {
		ways = append(ways, "password")
	}
	for _, p := range s.config.Auth.OIDC {
		ways = append(ways, "token of "+p.Name)
	}
	if s.config.Server.AsksForCertificates() {
		ways = append(ways, "client certificate")
	}
	if len(ways) == 0 && s.config.Policy != nil && len(s.config.Policy.Rules) > 0 {
		return "nobody can: auth.users_file, auth.oidc and server.tls.client_ca_file are not set"
	}
	return strings.Join(ways, ", ")
}

func (s start) configLine() string {
	if len(s.sources.Files) == 0 {
		return "defaults; there is no sreg.yaml in " + strings.Join(s.folders, ", ")
	}
	return strings.Join(s.sources.Files, ", ")
}

// describe is a URL, or the socket; and what an operator's listener is for.
func describe(b server.Bound) string {
	scheme := "http://"
	switch {
	case b.Addr.Network() == "unix":
		scheme = "unix:"
	case b.TLS:
		scheme = "https://"
	}
	address := scheme + b.Addr.String()
	if len(b.Serves) > 0 {
		address += " (" + strings.Join(b.Serves, ", ") + ")"
	}
	return address
}

// firstCommands are those that work with what a newcomer has, who may have to sign in.
func firstCommands(bound []server.Bound, signIn bool) []string {
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
		commands := []string{
			"docker pull alpine && docker tag alpine " + host + "/alpine",
			"docker push " + host + "/alpine",
		}
		if signIn {
			commands = append([]string{"docker login " + host}, commands...)
		}
		return commands
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
