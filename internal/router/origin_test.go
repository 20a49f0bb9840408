package router

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	external := &url.URL{Scheme: "https", Host: "registry.example:8443"}
	for _, tt := range []struct {
		name, method, host string
		header             map[string]string
		external           *url.URL
		open               bool // everybody's names are answered
		want               error
	}{
		{name: "localhost", host: "localhost:5000"},
		{name: "localhost without a port", host: "LOCALHOST"},
		{name: "a name below localhost", host: "registry.localhost:5000"},
		{name: "an address", host: "127.0.0.1:5000"},
		{name: "an address of version 6", host: "[::1]:5000"},
		{name: "an address of version 6 without a port", host: "[::1]"},
		{name: "another address", host: "192.0.2.7:5000"},
		{name: "no host, as in HTTP/1.0"},
		{name: "a name that leads here", host: "attacker.example:5000", want: ErrForeignHost},
		{name: "a name that looks like localhost", host: "localhost.attacker.example", want: ErrForeignHost},
		{name: "another one", host: "notlocalhost", want: ErrForeignHost},
		{name: "the root of names", host: "attacker.example.:5000", want: ErrForeignHost},
		{name: "the external URL", host: "Registry.Example:8443", external: external},
		{name: "the external URL with another port", host: "registry.example", external: external},
		{name: "a part of the external URL", host: "example", external: external, want: ErrForeignHost},
		{name: "any name, where there is a policy", host: "attacker.example", open: true},

		{name: "a write without a page", method: "PUT", host: "localhost"},
		{name: "a write of our own page", method: "DELETE", host: "localhost:5000", header: map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:5000"}},
		{name: "a form of another site", method: "POST", host: "localhost:5000", header: map[string]string{"Sec-Fetch-Site": "cross-site"}, want: ErrForeignPage},
		{name: "a page at another port", method: "PUT", host: "localhost:5000", header: map[string]string{"Sec-Fetch-Site": "same-site"}, want: ErrForeignPage},
		{name: "an older browser", method: "PATCH", host: "localhost:5000", header: map[string]string{"Origin": "http://attacker.example"}, want: ErrForeignPage},
		{name: "a page in a sandbox", method: "POST", host: "localhost:5000", header: map[string]string{"Origin": "null"}, want: ErrForeignPage},
		{name: "a write of another site where there is a policy", method: "POST", host: "registry", open: true, header: map[string]string{"Sec-Fetch-Site": "cross-site"}, want: ErrForeignPage},
		{name: "a read of another site", host: "localhost:5000", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://attacker.example"}},
		{
			name: "a page at the external URL, behind a proxy that changes the host", method: "POST", host: "127.0.0.1:5000", external: external,
			header: map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://registry.example:8443"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, err := NewOrigins(tt.external, !tt.open)
			if err != nil {
				t.Fatal(err)
			}
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			r := httptest.NewRequestWithContext(t.Context(), method, "/v2/", nil)
			r.Host = tt.host
			for key, value := range tt.header {
				r.Header.Set(key, value)
			}
			if err := o.check(r); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
