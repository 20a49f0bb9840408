package authn

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestTheAddressOfAClient(t *testing.T) {
	t.Parallel()
	trusted := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	tests := []struct {
		name      string
		peer      string
		sockets   bool // are trusted
		forwarded []string
		xff       []string
		want      string // "" = unknown
		err       error
	}{
		{name: "a connection", peer: "192.0.2.1:1", want: "192.0.2.1"},
		{name: "an IPv4 connection over IPv6", peer: "[::ffff:192.0.2.1]:1", want: "192.0.2.1"},
		{name: "a unix socket has none", peer: "@"},
		{name: "a header by a unix socket", peer: "@", xff: []string{"192.0.2.1"}},
		{name: "a header by a unix socket that is trusted", peer: "@", sockets: true, xff: []string{"127.0.0.1, 192.0.2.1"}, want: "192.0.2.1"},
		{name: "a unix socket that is trusted, without a header", peer: "@", sockets: true},
		{name: "sockets are no networks", peer: "192.0.2.1:1", sockets: true, xff: []string{"10.0.0.9"}, want: "192.0.2.1"},
		{name: "a header of a client that is no proxy", peer: "192.0.2.1:1", xff: []string{"10.0.0.9"}, forwarded: []string{"for=10.0.0.9"}, want: "192.0.2.1"},
		{name: "a proxy without a header", peer: "10.0.0.1:1", want: "10.0.0.1"},
		{name: "a proxy's header", peer: "10.0.0.1:1", xff: []string{"192.0.2.1"}, want: "192.0.2.1"},
		{name: "what the client wrote is not read", peer: "10.0.0.1:1", xff: []string{"127.0.0.1, 192.0.2.1"}, want: "192.0.2.1"},
		{name: "what the client wrote in a line of its own, too", peer: "10.0.0.1:1", xff: []string{"127.0.0.1", "192.0.2.1"}, want: "192.0.2.1"},
		{name: "two proxies", peer: "10.0.0.1:1", xff: []string{"127.0.0.1, 192.0.2.1, 10.0.0.2"}, want: "192.0.2.1"},
		{name: "proxies alone: the farthest", peer: "10.0.0.1:1", xff: []string{"10.0.0.3, 10.0.0.2"}, want: "10.0.0.3"},
		{name: "an entry with a port", peer: "10.0.0.1:1", xff: []string{"192.0.2.1:4711"}, want: "192.0.2.1"},
		{name: "an IPv6 entry", peer: "10.0.0.1:1", xff: []string{"2001:db9::1"}, want: "2001:db9::1"},
		{name: "an IPv6 entry with a port", peer: "10.0.0.1:1", xff: []string{"[2001:db9::1]:1"}, want: "2001:db9::1"},
		{name: "an entry that is none", peer: "10.0.0.1:1", xff: []string{"unknown"}},
		{name: "an empty entry", peer: "10.0.0.1:1", xff: []string{""}},
		{name: "an entry that is none behind a proxy", peer: "10.0.0.1:1", xff: []string{"192.0.2.1, bogus, 10.0.0.2"}},
		{name: "Forwarded", peer: "[2001:db8::1]:1", forwarded: []string{`for=127.0.0.1, for="[2001:db9::7]:4711";proto=https;by=10.0.0.1`}, want: "2001:db9::7"},
		{name: "Forwarded in other letters", peer: "10.0.0.1:1", forwarded: []string{`Proto=http; FOR=192.0.2.1`}, want: "192.0.2.1"},
		{name: "Forwarded without for", peer: "10.0.0.1:1", forwarded: []string{`proto=https`}},
		{name: "Forwarded with for twice", peer: "10.0.0.1:1", forwarded: []string{`for=192.0.2.1;for=10.0.0.9`}},
		{name: "a comma in quotes", peer: "10.0.0.1:1", forwarded: []string{`for=192.0.2.1;by="a,for=10.0.0.9"`}, want: "192.0.2.1"},
		{name: "a quote without an end", peer: "10.0.0.1:1", forwarded: []string{`for="192.0.2.1, for=10.0.0.9`}},
		{name: "a hidden name", peer: "10.0.0.1:1", forwarded: []string{`for=_hidden`}},
		{name: "two headers that agree", peer: "10.0.0.1:1", forwarded: []string{"for=192.0.2.1"}, xff: []string{"192.0.2.1"}, want: "192.0.2.1"},
		{name: "two headers that disagree", peer: "10.0.0.1:1", forwarded: []string{"for=127.0.0.1"}, xff: []string{"192.0.2.1"}, err: errTwoClients},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := get()
			r.RemoteAddr = tt.peer
			r.Header["Forwarded"], r.Header["X-Forwarded-For"] = tt.forwarded, tt.xff
			trusted := trusted
			trusted.Sockets = tt.sockets
			got, err := trusted.ClientIP(r)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if text := strings.TrimSuffix(got.String(), "invalid IP"); text != tt.want {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}

func TestNobodyIsTrustedByDefault(t *testing.T) {
	t.Parallel()
	r := get()
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	r.Header.Set("X-Forwarded-Proto", "https")
	if got, err := (Proxies{}).ClientIP(r); err != nil || got.String() != "127.0.0.1" {
		t.Errorf("got %s, %v, want the connection's", got, err)
	}
	if (Proxies{}).Secure(r) {
		t.Error("a client may say that it spoke TLS, want that nobody believes it")
	}
}

// FuzzForwarded wants that what stands to the left of a trusted proxy's own entry changes nothing.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "for=10.0.0.1", `for="[::1]:1", for=x`, `"`, `\`, "for=1.2.3.4;for=5.6.7.8", "10.0.0.1, 10.0.0.2"} {
		f.Add(seed)
	}
	proxies := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, left string) {
		r := get()
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{left + ", 192.0.2.9"}
		if got, err := proxies.ClientIP(r); err != nil || got.String() != "192.0.2.9" {
			t.Errorf("X-Forwarded-For %q: got %s, %v", left, got, err)
		}
		r = get()
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["Forwarded"] = []string{left, "for=192.0.2.9"}
		if got, err := proxies.ClientIP(r); err != nil || got.String() != "192.0.2.9" {
			t.Errorf("Forwarded %q: got %s, %v", left, got, err)
		}
	})
}
