package server

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
)

// Config is the server section of sreg's configuration.
//
// The struct tags are the single source of the key's name (mapstructure), its
// sentence in the documentation (doc), what one value may be (enum, min,
// pattern, want, required), and whether it names a file that is read or needs
// a restart (config). What values must be together is for Validate.
type Config struct {
	Listeners   []Listener `mapstructure:"listeners" doc:"The addresses that are listened on."`
	ExternalURL string     `mapstructure:"external_url" doc:"The URL by which people reach this registry; empty if they use the address of the listener. It may have a path, which the proxy in front must pass on: all but health and metrics is served below it alone."`
	// TrustedProxies are read by whoever needs the address of a client: see the doc of the key.
	TrustedProxies []string `mapstructure:"trusted_proxies" doc:"Networks such as 10.0.0.0/8, and addresses, of the proxies before this server; unix stands for whoever connects to a unix socket. Only their Forwarded or X-Forwarded-For header is believed."`
	CORS           CORS     `mapstructure:"cors" doc:"Which pages of other hosts browsers let read here."`
	TLS            TLS      `mapstructure:"tls" needs:"server.listeners[].tls=true" doc:"The certificates of the listeners with tls: true."`
	HTTP2          bool     `mapstructure:"http2" doc:"Whether TLS listeners speak HTTP/2."`
	Limits         Limits   `mapstructure:"limits" doc:"How much is done at once."`
	Timeouts       Timeouts `mapstructure:"timeouts" doc:"How long a client may keep the server waiting."`
	Shutdown       Shutdown `mapstructure:"shutdown" doc:"How the server ends."`
}

// CORS names the pages of other hosts that may read.
type CORS struct {
	Origins []string `mapstructure:"origins" doc:"Their origins, such as https://ui.example.com, each exactly as a browser sends it. No page of another host may write."`
}

// Listener is one address that the server listens on.
type Listener struct {
	Name    string   `mapstructure:"name" required:"true" pattern:"^[a-z0-9][a-z0-9_-]*$" want:"lower-case letters, digits, - and _" doc:"What logs call this listener."`
	Address string   `mapstructure:"address" config:"restart" required:"true" pattern:"^(unix:/.+|systemd:[^:]+|[^/:]*:[0-9]{1,5}|\\[[^/\\]]+\\]:[0-9]{1,5})$" want:"host:port, unix:/path or systemd:NAME" doc:"host:port, unix:/path or systemd:NAME (a socket that systemd hands over)."`
	TLS     bool     `mapstructure:"tls" config:"restart" doc:"Whether this listener speaks TLS."`
	Serves  []string `mapstructure:"serves" enum:"health,metrics,pprof" doc:"What an admin listener serves instead of the registry. If no listener names health or metrics, the listeners of the registry serve them."`
	Mode    string   `mapstructure:"mode" config:"restart" pattern:"^(0?[0-7]{3})?$" want:"an octal file mode in quotes such as \"0660\"" doc:"The file mode of a unix socket, in quotes."`
}

// TLS names the certificates and the oldest version that is spoken.
type TLS struct {
	CertFile     string        `mapstructure:"cert_file" config:"file" doc:"The certificate chain in PEM, the server's own first."`
	KeyFile      string        `mapstructure:"key_file" config:"private" doc:"The private key of cert_file in PEM."`
	Certificates []Certificate `mapstructure:"certificates" doc:"Further certificates, chosen by the name that the client asks for."`
	ClientCAFile string        `mapstructure:"client_ca_file" config:"file" doc:"The CAs of client certificates in PEM, one or several. Empty = no client certificate is asked for."`
	CRLFile      string        `mapstructure:"crl_file" config:"file" doc:"The CRLs of those CAs: one in DER, or one or several in PEM. What they list is revoked and ends the handshake, also when a CRL is past its time."`
	ClientAuth   string        `mapstructure:"client_auth" enum:"optional,required,none" doc:"optional: a client may show a certificate, and one that does not verify ends the handshake. required: it must. none: it is not asked."`
	MinVersion   string        `mapstructure:"min_version" enum:"1.2,1.3" doc:"The oldest TLS version that is spoken."`
}

// Certificate is one more certificate with its key.
type Certificate struct {
	CertFile string `mapstructure:"cert_file" config:"file" required:"true" pattern:"." want:"the path of a PEM file" doc:"The certificate chain in PEM."`
	KeyFile  string `mapstructure:"key_file" config:"private" required:"true" pattern:"." want:"the path of a PEM file" doc:"The private key in PEM."`
}

// Limits bounds what is done at once. Limits of the whole server answer 503,
// those of one client 429. A client is an IPv4 address or the /64 of an IPv6
// one, behind a trusted proxy that which it names.
type Limits struct {
	MaxConcurrentRequests int           `mapstructure:"max_concurrent_requests" min:"0" doc:"Requests worked on at once, but for those that wait for bytes of their client or send it a long answer; 0 = no limit."`
	Queue                 int           `mapstructure:"queue" min:"0" doc:"Requests that may wait for their turn; what comes on top is answered 503."`
	QueueWait             time.Duration `mapstructure:"queue_wait" doc:"How long a request waits for its turn before it is answered 503."`
	ConnectionsPerClient  int           `mapstructure:"connections_per_client" min:"0" doc:"Connections of one client while max_concurrent_requests or more are open in all; the next ones are closed at once; 0 = no limit."`
	RequestsPerClient     int           `mapstructure:"requests_per_client" min:"0" doc:"Requests of one client under way, then 429, while half of max_concurrent_requests or more are under way in all; 0 = no limit."`
	RatePerClient         float64       `mapstructure:"rate_per_client" min:"0" doc:"Requests a second of one client on average over ten seconds, then 429; 0 = no limit."`
	RatePerUser           float64       `mapstructure:"rate_per_user" min:"0" doc:"Requests a second of one user on average over ten seconds, then 429, from wherever they come; 0 = no limit."`
}

// Timeouts bounds how long a client may keep the server waiting; 0 is for ever.
type Timeouts struct {
	Header    time.Duration `mapstructure:"header" doc:"For the header of a request; 0 = for ever."`
	Handshake time.Duration `mapstructure:"handshake" doc:"For the TLS handshake; 0 = for ever."`
	Idle      time.Duration `mapstructure:"idle" doc:"For the next request on an open connection; 0 = for ever."`
	Stall     time.Duration `mapstructure:"stall" doc:"Without a byte moving in a body, either way; 0 = for ever."`
	Body      time.Duration `mapstructure:"body" doc:"For the whole body of a request that is no upload, such as a manifest or a form; 0 = for ever."`
	LeastRate bytesize.Size `mapstructure:"least_rate" doc:"Bytes a second of an upload's body. A client that is slower for as long as stall, a minute if that is 0, is dropped; 0 = no limit."`
}

// pause is how long a body may pause at most, where it must have a rate.
func (t Timeouts) pause() time.Duration { return cmp.Or(t.Stall, time.Minute) }

// Shutdown says how the server ends.
type Shutdown struct {
	Delay   time.Duration `mapstructure:"delay" doc:"How long /readyz says no before listening stops, for load balancers to notice."`
	Timeout time.Duration `mapstructure:"timeout" doc:"How long running requests may take to finish; then they are cut."`
}

// DefaultConfig listens for this computer alone.
func DefaultConfig() Config {
	return Config{
		Listeners: []Listener{{Name: "main", Address: "127.0.0.1:5000"}},
		TLS:       TLS{MinVersion: "1.2", ClientAuth: "optional"},
		HTTP2:     true,
		Limits: Limits{
			MaxConcurrentRequests: 1024, Queue: 1024, QueueWait: 5 * time.Second,
			ConnectionsPerClient: 256, RequestsPerClient: 128,
		},
		Timeouts: Timeouts{
			Header: 10 * time.Second, Handshake: 10 * time.Second,
			Idle: 120 * time.Second, Stall: 60 * time.Second,
			Body: 60 * time.Second, LeastRate: bytesize.KiB,
		},
		Shutdown: Shutdown{Timeout: 30 * time.Second},
	}
}

// Validate reports what the values may not be together: the path below the
// section, and the problem with what to change.
func (c Config) Validate(report func(path, problem string)) {
	if c.ExternalURL != "" {
		validateExternalURL(c.ExternalURL, report)
	}
	for i, network := range c.TrustedProxies {
		if _, err := ParseNetwork(network); err != nil && network != sockets {
			report(fmt.Sprintf("trusted_proxies[%d]", i), err.Error())
		}
	}
	for i, origin := range c.CORS.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || origin != u.Scheme+"://"+strings.ToLower(u.Host) {
			report(fmt.Sprintf("cors.origins[%d]", i), fmt.Sprintf("want http://host or https://host, with a port if it is not the usual one, got %q", origin))
		}
	}
	c.TLS.validate(report)
	c.validateListeners(report)
}

func (c Config) validateListeners(report func(path, problem string)) {
	firstOf := map[string]int{}
	registry := false
	for i, l := range c.Listeners {
		at := func(field string) string { return fmt.Sprintf("listeners[%d].%s", i, field) }
		if first, twice := firstOf[l.Name]; twice && l.Name != "" {
			report(at("name"), fmt.Sprintf("%q is taken by listeners[%d]", l.Name, first))
		} else {
			firstOf[l.Name] = i
		}
		registry = registry || len(l.Serves) == 0
		address, err := ParseAddress(l.Address)
		if err != nil {
			report(at("address"), err.Error())
		}
		if l.Mode != "" && err == nil && address.Network != "unix" {
			report(at("mode"), "only a unix socket has a file mode")
		}
		if l.TLS && !c.TLS.any() {
			report(at("tls"), "there is no certificate: set server.tls.cert_file and server.tls.key_file")
		}
	}
	if !registry {
		report("listeners", "want at least one listener without serves: that one serves the registry")
	}
}

// AsksForCertificates reports whether a client may show a certificate somewhere.
func (c Config) AsksForCertificates() bool {
	return c.TLS.ClientCAFile != "" && c.TLS.ClientAuth != "none" && c.hasTLSListener()
}

func (c Config) hasTLSListener() bool {
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return l.TLS })
}

// Warn reports what is allowed and seldom meant. Where people sign in, what they show must not be seen on
// its way.
func (c Config) Warn(signIns bool, report func(path, problem string)) {
	proxied := len(c.TrustedProxies) > 0 || strings.HasPrefix(c.ExternalURL, "https:")
	for i, l := range c.Listeners {
		address, err := ParseAddress(l.Address)
		if err == nil && signIns && !l.TLS && !proxied && len(l.Serves) == 0 && !address.Private() {
			report(fmt.Sprintf("listeners[%d].tls", i), "passwords and tokens cross the network in plain text: set tls: true, "+
				"or server.external_url to the https URL of the proxy that speaks TLS")
		}
		if err == nil && signIns && address.Network == "unix" && len(l.Serves) == 0 && !c.TrustsSockets() {
			report(fmt.Sprintf("listeners[%d].address", i), "behind a unix socket nobody has an address, so wrong passwords are not counted: "+
				"if a proxy listens before it, let server.trusted_proxies name unix")
		}
	}
}

func (t TLS) any() bool {
	return t.CertFile != "" || len(t.Certificates) > 0
}

func (t TLS) validate(report func(path, problem string)) {
	if t.CertFile != "" && t.KeyFile == "" {
		report("tls.cert_file", "there is no key for it: set server.tls.key_file")
	}
	if t.KeyFile != "" && t.CertFile == "" {
		report("tls.key_file", "there is no certificate for it: set server.tls.cert_file")
	}
	if t.ClientAuth == "required" && t.ClientCAFile == "" {
		report("tls.client_auth", "there is no CA to verify client certificates with: set server.tls.client_ca_file")
	}
	if t.CRLFile != "" && t.ClientCAFile == "" {
		report("tls.crl_file", "there is no CA to verify it with: set server.tls.client_ca_file")
	}
}

// ParseNetwork reads a network such as 10.0.0.0/8, or one address.
func ParseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("want a network such as 10.0.0.0/8, an address or unix, got %q", s)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("want a network such as %s, got %q, which is an address within it", network.Masked(), s)
	}
	return network, nil
}

// sockets stands in TrustedProxies for whoever connects to a unix socket.
const sockets = "unix"

// TrustsSockets says that whoever connects to a unix socket is a trusted proxy.
func (c Config) TrustsSockets() bool { return slices.Contains(c.TrustedProxies, sockets) }

// Trusted are the networks of TrustedProxies.
func (c Config) Trusted() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range c.TrustedProxies {
		if text == sockets {
			continue
		}
		network, err := ParseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("server.trusted_proxies: %w", err)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// ExternalPath is the path of the external URL, without a slash at its end.
func (c Config) ExternalPath() string {
	external, err := url.Parse(c.ExternalURL)
	if err != nil { // Validate says so
		return ""
	}
	return strings.TrimSuffix(external.Path, "/")
}

func validateExternalURL(s string, report func(path, problem string)) {
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "@"): // behind a user name, which may have a password: not shown
		report("external_url", "want no user name in the URL")
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		report("external_url", fmt.Sprintf("want http://host or https://host, got %q", s))
	case u.RawQuery != "" || u.Fragment != "":
		report("external_url", fmt.Sprintf("want no query and no fragment, got %q", s))
	case u.EscapedPath() != u.Path || u.Path != "" && path.Clean(u.Path) != cmp.Or(strings.TrimSuffix(u.Path, "/"), "/"):
		report("external_url", fmt.Sprintf("want a path of plain characters such as /registry, got %q", u.EscapedPath()))
	}
}

// Address is a parsed listener address.
type Address struct {
	Network string // tcp, unix or systemd
	Name    string // host:port, an absolute path or the socket's name
}

var errAddress = errors.New("want host:port, unix:/path or systemd:NAME")

// ParseAddress reads host:port, unix:/path or systemd:NAME.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok && filepath.IsAbs(path) {
		return Address{Network: "unix", Name: path}, nil
	}
	if name, ok := strings.CutPrefix(s, "systemd:"); ok && name != "" && !strings.Contains(name, ":") {
		return Address{Network: "systemd", Name: name}, nil
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil || strings.Contains(s, "/") {
		return Address{}, fmt.Errorf("%w, got %q", errAddress, s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Address{}, fmt.Errorf("want a port from 0 to 65535, got %q", port)
	}
	return Address{Network: "tcp", Name: s}, nil
}

// Private reports whether only this computer can reach the address. What
// systemd hands over is known only once it runs, so it does not count.
func (a Address) Private() bool {
	if a.Network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(a.Name)
	if a.Network != "tcp" || err != nil {
		return false
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
