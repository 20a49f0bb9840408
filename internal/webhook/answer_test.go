package webhook

import (
	"fmt"
	"net/http"
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
