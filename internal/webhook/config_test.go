package webhook

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/secret"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   string // path: begin of the problem; empty if there is none
	}{
		{"a name and a URL are enough", func(*Config) {}, ""},
		{"everything", func(c *Config) {
			c.URL, c.CAFile, c.CertFile, c.KeyFile, c.BearerToken = "https://g/authz?a=b", "ca", "cert", "key", secret.New("t")
			c.ForwardHeaders = []string{"X-Request-Id", "X-Real-IP"}
		}, ""},
		{"a user in the URL", func(c *Config) { c.URL = "https://u:hunter2@g/" }, "url: want no user name"},
		{"no host", func(c *Config) { c.URL = "https://:80/" }, `url: want http://host/path`},
		{"another scheme", func(c *Config) { c.URL = "ftp://g/" }, `url: want http://host/path`},
		{"a fragment", func(c *Config) { c.URL = "https://g/#a" }, "url: want no fragment"},
		{"two kinds of credentials", func(c *Config) { c.Username, c.BearerToken = "u", secret.New("t") }, "username: there is a bearer_token"},
		{"a password for nobody", func(c *Config) { c.Password = secret.New("p") }, "password: there is no user"},
		{"a user with a colon", func(c *Config) { c.Username = "a:b" }, "username: want no colon"},
		{"a token of two lines", func(c *Config) { c.BearerToken = secret.New("hunter2\nx") }, "bearer_token: holds characters"},
		{"a certificate without a key", func(c *Config) { c.CertFile = "c" }, "cert_file: there is no key"},
		{"a key without a certificate", func(c *Config) { c.KeyFile = "k" }, "key_file: there is no certificate"},
		{"certificates without TLS", func(c *Config) { c.URL, c.CAFile = "http://g/", "ca" }, "url: want https://"},
		{"a header of sreg's own", func(c *Config) { c.ForwardHeaders = []string{"X-A", "x-registry-username"} }, "forward_headers[1]: X-Registry-Username is written by sreg"},
		{"another one", func(c *Config) { c.ForwardHeaders = []string{"x-forwarded-FOR"} }, "forward_headers[0]: X-Forwarded-For is written by sreg"},
		{"a header of the connection", func(c *Config) { c.ForwardHeaders = []string{"Transfer-Encoding"} }, "forward_headers[0]: Transfer-Encoding belongs to one connection"},
		{"a header of a proxy", func(c *Config) { c.ForwardHeaders = []string{"proxy-authorization"} }, "forward_headers[0]: Proxy-Authorization belongs"},
		{"the client's credentials over the own", func(c *Config) { c.ForwardHeaders, c.Username = []string{"authorization"}, "u" }, "forward_headers[0]: Authorization is sreg's own"},
		{"the client's credentials alone", func(c *Config) { c.ForwardHeaders = []string{"authorization"} }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			cfg.Name, cfg.URL = "guard", "https://g/authz"
			tt.change(&cfg)
			var got []string
			cfg.Validate(func(path, problem string) { got = append(got, path+": "+problem) })
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("got %q, want no problem", got)
			case tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)):
				t.Errorf("got %q, want one that begins with %q", got, tt.want)
			}
			if strings.Contains(strings.Join(got, ""), "hunter2") {
				t.Errorf("got %q, want no secret in it", got)
			}
		})
	}
}
