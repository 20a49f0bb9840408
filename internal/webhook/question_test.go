package webhook

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/secret"
)

func canary() secret.Value { return secret.New("canary-7f3a") }

func withCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func TestFactsAreEncoded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fact Fact
		want string
	}{
		{"a plain value stands", Fact{Values: []string{"team/app:v1.2"}}, "team/app:v1.2"},
		{"a space within stands", Fact{Values: []string{"Platform Team"}}, "Platform Team"},
		{"a space at an end does not look like none", Fact{Values: []string{" admin "}}, "%20admin%20"},
		{"a line break ends no header", Fact{Values: []string{"a\r\nX-Registry-Username: root"}}, "a%0D%0AX-Registry-Username: root"},
		{"a zero byte and a tab", Fact{Values: []string{"a\x00\tb"}}, "a%00%09b"},
		{"letters beyond ASCII", Fact{Values: []string{"Zoë"}}, "Zo%C3%AB"},
		{"bytes that are no UTF-8", Fact{Values: []string{"\xff\xfe"}}, "%FF%FE"},
		{"a percent sign", Fact{Values: []string{"a%20b"}}, "a%2520b"},
		{"several values", Fact{Values: []string{"a", "b"}}, "a,b"},
		{"a comma within a value", Fact{Values: []string{"a,b"}}, "a%2Cb"},
		{"a path keeps its own encoding", Fact{Values: []string{"/v2/a?n=%2F,b"}, Escaped: true}, "/v2/a?n=%2F,b"},
		{"a path with bytes that no path has", Fact{Values: []string{"/v2/ \r\nHost: x"}, Escaped: true}, "/v2/%20%0D%0AHost:%20x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.fact.line(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestHostileValuesAddNoHeader looks at the bytes on the wire.
func TestHostileValuesAddNoHeader(t *testing.T) {
	t.Parallel()
	names := []string{"X-Registry-Username", "X-Registry-Certificate-CN", "X-Registry-OIDC-Subject", "X-Forwarded-Uri", "X-Forwarded-Host"}
	for _, hostile := range []string{
		"a\r\nX-Registry-Identity-ID: root", "a\nX-Registry-Identity-ID: root", "a\rX-Registry-Identity-ID: root",
		"a\r\n\r\nGET /evil HTTP/1.1\r\nX-Registry-Identity-ID: root", "a\u2028X-Registry-Identity-ID: root", "a\x00b", "a\x85b",
		strings.Repeat("a\r\n", 1000),
	} {
		wire := make(chan []string, 1)
		c := overPipe(t, func(conn net.Conn) {
			from := bufio.NewReader(conn)
			r := readRequest(from)
			if r == nil || from.Buffered() > 0 {
				t.Errorf("%q: got no request, or more than one", hostile)
				return
			}
			raw, err := httputil.DumpRequest(r, false)
			if err != nil {
				t.Error(err)
			}
			wire <- lines(string(raw))
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		}, func(c *Config) { c.Method = "get" })
		var facts []Fact
		for _, name := range names {
			facts = append(facts, Fact{Name: name, Values: []string{hostile}, Escaped: strings.HasPrefix(name, "X-Forwarded-")})
		}
		if got := c.Ask(t.Context(), Question{Facts: facts}); !got.Allowed() {
			t.Fatalf("%q: got %s, %v, want the question to arrive", hostile, got.Result, got.Err)
		}
		for _, line := range <-wire {
			name, _, _ := strings.Cut(line, ":")
			if !slices.ContainsFunc(append(names, "Host", "User-Agent"), func(known string) bool { return strings.EqualFold(known, name) }) {
				t.Errorf("%q made a header of its own: %q", hostile, line)
			}
		}
	}
}

// TestHostileHeadersAreNotSentOn gives values that a server of net/http lets nobody send. The question
// then fails, which denies.
func TestHostileHeadersAreNotSentOn(t *testing.T) {
	t.Parallel()
	c := overPipe(t, serves(func(*http.Request) int { return 200 }), func(c *Config) { c.ForwardHeaders = []string{"X-Team"} })
	for _, hostile := range []string{"a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\x00"} {
		got := c.Ask(t.Context(), Question{Incoming: http.Header{"X-Team": {hostile}}})
		if got.Allowed() {
			t.Errorf("%q was sent on", hostile)
		}
	}
}

// FuzzFacts proves that no value leaves its line, and that two lists of values never look alike.
func FuzzFacts(f *testing.F) {
	f.Add("a", "b", "a,b", "")
	f.Add("a%2Cb", "", "a,b", "")
	f.Add(" a", "a\r\nb", "a ", "é")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		for _, escaped := range []bool{false, true} {
			line := Fact{Values: []string{a, b}, Escaped: escaped}.line()
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) || strings.Trim(line, " ") != line {
				t.Fatalf("%q and %q make the line %q", a, b, line)
			}
		}
		same := Fact{Values: []string{a, b}}.line() == Fact{Values: []string{c, d}}.line()
		if same != (a == c && b == d) {
			t.Fatalf("%q, %q and %q, %q look alike: %v", a, b, c, d, same)
		}
		if x, y := (Fact{Values: []string{a, b}}), (Fact{Values: []string{c}}); x.line() == y.line() {
			t.Fatalf("%q, %q and %q look alike", a, b, c)
		}
	})
}
