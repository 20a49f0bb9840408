package authn

import (
	"crypto/tls"
	"net/netip"
	"testing"
)

func TestChallenges(t *testing.T) {
	t.Parallel()
	outside := newFixture(t, nil).Authenticator
	inside := newFixture(t, func(f *fixture) {
		f.opts.ExternalURL = nil
		f.opts.Proxies.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
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
