package commands

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/httpapi"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/telemetry"
	"github.com/sreg-project/sreg/internal/users"
)

// start is what a person wants to know when a server has started.
type start struct {
	build   telemetry.Build
	config  *config.Config
	sources config.Sources
	folders []string // where a config was looked for
	roots   []string
	first   httpapi.First
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
	for _, command := range s.firstCommands() {
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

// first asks the policies what a newcomer may do: who may push alpine, or an image of one of the repositories of the config,
// first without a sign-in, and who may pull and list that.
func (l loaded) first(known map[string]users.User) httpapi.First {
	found := httpapi.First{Namespace: "alpine", Push: httpapi.Anybody, Pull: httpapi.Anybody, Tags: httpapi.Anybody, Catalog: httpapi.Anybody}
	if l.cfg.Policy == nil && l.rules.Access.Empty() {
		return found
	}
	namespaces := []string{"alpine"}
	for _, r := range l.cfg.Repositories[:min(len(l.cfg.Repositories), firstRepositories)] {
		namespaces = append(namespaces, r.Name+"/alpine")
	}
	found = httpapi.First{Catalog: l.may(known, access.ListCatalog)}
	for _, namespace := range namespaces {
		if may := l.may(known, access.PutManifest, namespace+":latest"); may > found.Push {
			found.Namespace, found.Push = namespace, may
		}
		if found.Push == httpapi.Anybody {
			break
		}
	}
	if found.Push != httpapi.Nobody {
		found.Pull = l.may(known, access.GetManifest, found.Namespace+":latest")
		found.Tags = l.may(known, access.ListTags, found.Namespace)
	}
	return found
}

// Of a thousand users and repositories these are asked about: each start and each reload waits for it, and a newcomer who
// finds none of them needs no suggestion.
const (
	firstAsked        = 50
	firstRepositories = 10
)

// may says who may do something: anybody, or only some who sign in.
func (l loaded) may(known map[string]users.User, action access.Action, target ...string) (may httpapi.May) {
	request, unknown, err := readWho(append([]string{string(action)}, target...))
	if err != nil {
		return httpapi.Nobody // a name of the config that is too long for more behind it
	}
	asked := 0
	for row := range (who{loaded: l, request: request, unknown: append(unknown, "identity.client_ip")}).all(known, time.Now()) {
		switch asked++; {
		case row.May == policy.No && asked < firstAsked:
		case row.May == policy.No:
			return httpapi.Nobody
		case row.Kind == "anybody":
			return httpapi.Anybody
		default:
			return httpapi.SignedIn
		}
	}
	return httpapi.Nobody
}

// firstCommands are those that work with what a newcomer has, and that the policies allow.
func (s start) firstCommands() []string {
	path := s.config.Server.ExternalPath()
	var socket string
	for _, b := range s.bound {
		if len(b.Serves) > 0 {
			continue
		}
		if b.Addr.Network() == "unix" {
			socket = b.Addr.String()
			continue
		}
		if path != "" { // docker can name none
			return []string{"curl " + strings.TrimSuffix(s.config.Server.ExternalURL, "/") + "/v2/"}
		}
		return s.dockerCommands(reachable(b.Addr))
	}
	return []string{
		"curl --unix-socket " + socket + " http://sreg" + path + "/v2/",
		"curl --unix-socket " + socket + " http://sreg" + path + "/v2/_catalog",
	}
}

func (s start) dockerCommands(host string) (commands []string) {
	nobody := s.first.Push == httpapi.Nobody
	if s.config.Auth.Active() && (s.first.Push == httpapi.SignedIn || nobody) {
		commands = append(commands, "docker login "+host)
	}
	if nobody {
		return append(commands, "sreg policy who put-manifest alpine")
	}
	image := host + "/" + s.first.Namespace
	return append(commands, "docker pull alpine && docker tag alpine "+image, "docker push "+image)
}

// reachable is an address that works from this computer, also when all of its addresses are bound.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return addr.String()
}
