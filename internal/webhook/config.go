package webhook

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/secret"
)

// post is the method that sends a document.
const post = "post"

// Config is one item of the webhooks section of sreg's configuration. The struct tags are the single
// source of the keys' names, values and documentation; what values must be together is for Validate.
type Config struct {
	Name           string        `mapstructure:"name" required:"true" pattern:"^[a-z0-9][a-z0-9_-]*$" want:"lower-case letters, digits, - and _" doc:"What policies, logs and metrics call this webhook; none is taken."`
	URL            string        `mapstructure:"url" required:"true" pattern:"^https?://[^/@]" want:"http://host/path or https://host/path" doc:"The endpoint that is asked. Its redirects are not followed."`
	Method         string        `mapstructure:"method" enum:"post,get" doc:"post sends identity and request as JSON, get sends them as headers."`
	Timeout        time.Duration `mapstructure:"timeout" min:"1" doc:"How long an answer may take; without one by then the request is denied."`
	CacheTTL       time.Duration `mapstructure:"cache_ttl" doc:"How long an answer of 2xx, 401 or 403 stands for the same question; 0 = each is asked anew."`
	ForwardHeaders []string      `mapstructure:"forward_headers" pattern:"^[A-Za-z0-9_-]+$" want:"the name of a header" doc:"Headers of the client's request that are sent on."`
	BearerToken    secret.Value  `mapstructure:"bearer_token" doc:"Sent as Authorization: Bearer."`
	Username       string        `mapstructure:"username" doc:"Sent with password as Authorization: Basic."`
	Password       secret.Value  `mapstructure:"password" doc:"The password of username."`

	outbound.Files `mapstructure:",squash"`
}

// DefaultConfig is what a webhook is that has only a name and a URL.
func DefaultConfig() Config {
	return Config{Method: post, Timeout: 2 * time.Second, CacheTTL: time.Minute}
}

// Shareable says whether answers may be kept where others can read. A header that is sent on may be a password, and
// whoever reads the hash of a question can try passwords against it.
func (c Config) Shareable() bool { return len(c.ForwardHeaders) == 0 }

// Validate reports what is wrong: the path below the webhook, and the problem with what to change.
func (c Config) Validate(report func(path, problem string)) {
	c.validateURL(report)
	c.validateCredentials(report)
	c.Files.Validate(report)
	if c.Files.Any() && strings.HasPrefix(c.URL, "http://") {
		report("url", "want https://, because there are certificates; without TLS nothing would be checked")
	}
	for i, name := range c.ForwardHeaders {
		if problem := c.forwardProblem(name); problem != "" {
			report(fmt.Sprintf("forward_headers[%d]", i), problem)
		}
	}
}

func (c Config) validateURL(report func(path, problem string)) {
	u, err := url.Parse(c.URL)
	switch {
	case strings.Contains(c.URL, "@"): // behind a user name, which may have a password: not shown
		report("url", "want no user name in the URL: set username and password, or bearer_token")
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		report("url", fmt.Sprintf("want http://host/path or https://host/path, got %q", c.URL))
	case u.Fragment != "":
		report("url", fmt.Sprintf("want no fragment, got %q", c.URL))
	}
}

func (c Config) validateCredentials(report func(path, problem string)) {
	token, password := c.BearerToken.Reveal(), c.Password.Reveal()
	if token != "" && c.Username != "" {
		report("username", "there is a bearer_token, too: only one of them can be sent")
	}
	if password != "" && c.Username == "" {
		report("password", "there is no user for it: set username")
	}
	if strings.Contains(c.Username, ":") {
		report("username", "want no colon: it ends the name in what is sent")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		report("bearer_token", "holds characters that no token may: spaces, line breaks or others than ASCII")
	}
}

// own are headers that sreg writes itself, and hop are those of one connection: what a client sends in them is not
// sent on. A name with a dash at its end is that of all headers that begin so.
var (
	own = []string{"X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-For", "X-Registry-", "Content-", "Host", "User-Agent", "Accept-Encoding", "Idempotency-Key", "X-Idempotency-Key"}
	hop = []string{"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Proxy-"}
)

func (c Config) forwardProblem(name string) string {
	canonical := http.CanonicalHeaderKey(name)
	switch {
	case matches(own, canonical):
		return canonical + " is written by sreg itself"
	case matches(hop, canonical):
		return canonical + " belongs to one connection and cannot be sent on"
	case canonical == "Authorization" && (c.Username != "" || c.BearerToken.Reveal() != ""):
		return "Authorization is sreg's own here, because there are credentials for the endpoint"
	}
	return ""
}

func matches(list []string, canonical string) bool {
	for _, entry := range list {
		if canonical == entry || strings.HasSuffix(entry, "-") && strings.HasPrefix(canonical, entry) {
			return true
		}
	}
	return false
}
