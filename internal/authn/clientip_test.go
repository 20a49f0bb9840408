package authn

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

func TestTheAddressOfAClient(t *testing.T) {
	t.Parallel()
	trusted := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	tests := []struct {
		name      string
		peer      string
		forwarded []string
		xff       []string
		want      string // "" = unknown
		err       error
	}{
		{name: "a connection", peer: "192.0.2.1:1", want: "192.0.2.1"},
		{name: "an IPv4 connection over IPv6", peer: "[::ffff:192.0.2.1]:1", want: "192.0.2.1"},
		{name: "a unix socket has none", peer: "@"},
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

func TestChallenges(t *testing.T) {
	t.Parallel()
	outside := newFixture(t, nil).Authenticator
	inside := newFixture(t, func(f *fixture) {
		f.opts.ExternalURL = nil
		f.opts.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}).Authenticator
	tests := []struct {
		name  string
		a     *Authenticator
		host  string
		peer  string
		tls   bool
		proto string
		scope string
		want  string
	}{
		{name: "with an external URL", a: outside, host: "evil.test", want: `Bearer realm="https://sreg.test/token",service="sreg.test"`},
		{name: "with a scope", a: outside, scope: "repository:a/b:pull", want: `Bearer realm="https://sreg.test/token",service="sreg.test",scope="repository:a/b:pull"`},
		{name: "where the client is", a: inside, host: "127.0.0.1:5000", want: `Bearer realm="http://127.0.0.1:5000/token",service="sreg"`},
		{name: "over TLS", a: inside, host: "reg.test", tls: true, want: `Bearer realm="https://reg.test/token",service="sreg"`},
		{name: "behind a proxy that speaks TLS", a: inside, host: "reg.test", peer: "10.0.0.1:1", proto: "http, https", want: `Bearer realm="https://reg.test/token",service="sreg"`},
		{name: "a client that claims it", a: inside, host: "reg.test", proto: "https", want: `Bearer realm="http://reg.test/token",service="sreg"`},
		{name: "a host that ends the quotes", a: inside, host: `a",realm="http://evil`, want: `Basic realm="sreg", charset="UTF-8"`},
		{name: "a host that hides another one", a: inside, host: "reg.test%40evil.test", want: `Basic realm="sreg", charset="UTF-8"`},
		{name: "no host", a: inside, host: "", want: `Basic realm="sreg", charset="UTF-8"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := get()
			r.Host = tt.host
			if tt.peer != "" {
				r.RemoteAddr = tt.peer
			}
			if tt.tls {
				r.TLS = &tls.ConnectionState{}
			}
			if tt.proto != "" {
				r.Header.Set("X-Forwarded-Proto", tt.proto)
			}
			if got := tt.a.Challenge(r, tt.scope); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	name, err := oci.ParseName("a/b")
	must(t, err)
	for action, want := range map[access.Action]string{
		access.GetManifest: "repository:a/b:pull", access.PutManifest: "repository:a/b:pull,push", access.StartUpload: "repository:a/b:pull,push",
		access.DeleteBlob: "repository:a/b:delete", access.ListTags: "repository:a/b:pull",
	} {
		if got := Scope(access.Request{Action: action, Namespace: name}); got != want {
			t.Errorf("%s: got %s, want %s", action, got, want)
		}
	}
	if got := Scope(access.Request{Action: access.ListCatalog}); got != "registry:catalog:*" {
		t.Errorf("catalog: got %s", got)
	}
	if got := Scope(access.Request{Action: access.GetAPIVersion}); got != "" {
		t.Errorf("version: got %s, want none", got)
	}
}
