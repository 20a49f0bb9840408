package webhook

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOnlyTwoHundredsAllow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		want   Result
	}{
		{200, Allowed},
		{201, Allowed},
		{204, Allowed},
		{299, Allowed},
		{300, Denied},
		{301, Denied},
		{302, Denied},
		{304, Denied},
		{307, Denied},
		{308, Denied},
		{400, Denied},
		{401, Denied},
		{403, Denied},
		{404, Denied},
		{429, Denied},
		{451, Denied},
		{500, Failed},
		{502, Failed},
		{503, Failed},
		{599, Failed},
		{600, Denied},
		{999, Denied},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			t.Parallel()
			c := overPipe(t, serves(func(*http.Request) int { return tt.status }), nil)
			got := ask(t, c, "{}")
			if got.Result != tt.want || got.Status != tt.status || got.Err != nil {
				t.Errorf("got %s with status %d and error %v, want %s with %d", got.Result, got.Status, got.Err, tt.want, tt.status)
			}
			if got.Allowed() != (tt.want == Allowed) {
				t.Errorf("Allowed() is %v, want it for %s only", got.Allowed(), Allowed)
			}
		})
	}
}

func TestTheZeroAnswerDenies(t *testing.T) {
	t.Parallel()
	if (Answer{}).Allowed() {
		t.Error("got an answer that allows, want one that denies")
	}
}

// asked is what an endpoint got.
type asked struct {
	method string
	path   string
	header http.Header
	body   string
}

// recorder is an endpoint that says yes and keeps what it got.
func recorder(t *testing.T) (url string, got chan asked) {
	t.Helper()
	got = make(chan asked, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- asked{r.Method, r.RequestURI, r.Header, string(body)}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/authz?tenant=1", got
}

func TestPostSendsTheDocument(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := newClient(t, url, nil)
	answer := c.Ask(t.Context(), Question{
		Document: []byte(`{"request":{}}`),
		Facts:    []Fact{{Name: "X-Registry-Action", Values: []string{"get-blob"}}},
	})
	r := <-got
	if !answer.Allowed() || r.method != http.MethodPost || r.path != "/authz?tenant=1" || r.body != `{"request":{}}` {
		t.Errorf("got %s and %+v, want a POST of the document to the URL", answer.Result, r)
	}
	if r.header.Get("Content-Type") != "application/json" || r.header.Get("X-Registry-Action") != "" {
		t.Errorf("got header %v, want JSON announced and no facts beside it", r.header)
	}
}

func TestGetSendsTheFacts(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := newClient(t, url, func(c *Config) { c.Method = "get" })
	c.Ask(t.Context(), Question{
		Document: []byte(`{"request":{}}`),
		Facts: []Fact{
			{Name: "X-Registry-Action", Values: []string{"get-blob"}},
			{Name: "X-Registry-Certificate-O", Values: []string{"Platform Team", "Acme, Inc."}},
			{Name: "X-Forwarded-Uri", Values: []string{"/v2/a/tags/list?last=%2f,b"}, Escaped: true},
			{Name: "X-Registry-Digest"},
		},
	})
	r := <-got
	if r.method != http.MethodGet || r.body != "" {
		t.Errorf("got %s with body %q, want GET without one", r.method, r.body)
	}
	want := map[string]string{
		"X-Registry-Action":        "get-blob",
		"X-Registry-Certificate-O": "Platform Team,Acme%2C Inc.",
		"X-Forwarded-Uri":          "/v2/a/tags/list?last=%2f,b",
	}
	for name, value := range want {
		if r.header.Get(name) != value {
			t.Errorf("%s: got %q, want %q", name, r.header.Get(name), value)
		}
	}
	if _, sent := r.header["X-Registry-Digest"]; sent {
		t.Error("a fact without a value was sent")
	}
}

func TestOnlyTheNamedHeadersAreSentOn(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := newClient(t, url, func(c *Config) { c.ForwardHeaders = []string{"x-request-ID", "x-team"} })
	c.Ask(t.Context(), Question{Incoming: http.Header{
		"X-Request-Id":  {"r1"},
		"X-Team":        {"a", "b"},
		"Authorization": {"Bearer client"},
		"Cookie":        {"c=1"},
	}})
	r := <-got
	if r.header.Get("X-Request-Id") != "r1" || strings.Join(r.header["X-Team"], " ") != "a b" {
		t.Errorf("got %v, want the named headers with all their values", r.header)
	}
	for _, name := range []string{"Authorization", "Cookie", "Idempotency-Key"} {
		if r.header.Get(name) != "" {
			t.Errorf("%s: got %q, want nothing", name, r.header.Get(name))
		}
	}
}

func TestAConnectionThatTheEndpointClosedIsReplaced(t *testing.T) {
	t.Parallel()
	// Each connection answers one request, and is closed when the next one has begun.
	c := overPipe(t, func(conn net.Conn) {
		from := bufio.NewReader(conn)
		if readRequest(from) == nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		readRequest(from)
	}, nil)
	for i := range 20 {
		if got := ask(t, c, "{}"); !got.Allowed() {
			t.Fatalf("question %d: got %s, %v, want it to be allowed", i, got.Result, got.Err)
		}
	}
}

// FuzzAnswer lets an endpoint send any bytes. Only what any reader of HTTP takes for a 2xx may allow.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/9.9 2000 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "200\r\n\r\n", "", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c := overPipe(t, says(raw), nil)
		got := ask(t, c, `{"request":{}}`)
		if !got.Allowed() {
			return
		}
		if got.Status < 200 || got.Status > 299 || got.Err != nil {
			t.Fatalf("%q allowed with status %d and error %v", raw, got.Status, got.Err)
		}
		if !strings.Contains(raw, fmt.Sprintf(" %d", got.Status)) {
			t.Fatalf("%q allowed with status %d, which it does not say", raw, got.Status)
		}
	})
}

func TestCredentialsAreSentAndNeverTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"a bearer token", func(c *Config) { c.BearerToken = canary() }, "Bearer canary-7f3a"},
		{"a user and a password", func(c *Config) { c.Username, c.Password = "sreg", canary() }, "Basic c3JlZzpjYW5hcnktN2YzYQ=="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, got := recorder(t)
			c := newClient(t, url, tt.change)
			ask(t, c, "{}")
			if r := <-got; r.header.Get("Authorization") != tt.want {
				t.Errorf("got Authorization %q, want %q", r.header.Get("Authorization"), tt.want)
			}
			broken := overPipe(t, func(net.Conn) {}, tt.change)
			answer := ask(t, broken, "{}")
			shown, err := json.Marshal(broken.config)
			if err != nil {
				t.Fatal(err)
			}
			if told := fmt.Sprintf("%v %+v %#v %s", answer, answer, broken.config, shown); strings.Contains(told, "canary") || answer.Err == nil {
				t.Errorf("got %s, want an error without the secret", told)
			}
		})
	}
}

func TestAnErrorDoesNotTellTheURL(t *testing.T) {
	t.Parallel()
	c := overPipe(t, func(net.Conn) {}, func(c *Config) { c.URL = "http://endpoint.test/authz?key=canary-7f3a" })
	if got := ask(t, c, "{}"); got.Err == nil || strings.Contains(got.Err.Error(), "canary") {
		t.Errorf("got %v, want an error without the query", got.Err)
	}
}
