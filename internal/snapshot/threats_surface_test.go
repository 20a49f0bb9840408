package snapshot_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// send writes bytes to the server as they are, and reads one reply.
func (w *world) send(text string) reply {
	w.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(w.t.Context(), "tcp", w.bound[0].Addr.String())
	must(w.t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, text)
	must(w.t, err)
	method, _, _ := strings.Cut(text, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	must(w.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(w.t, err)
	return reply{call: call{method: strings.TrimSpace(text[:min(40, len(text))])}, status: response.StatusCode, header: response.Header, body: string(body)}
}

// TestThreatForeignRealm: a Host header sends nobody who did not write it anywhere, and no header of a client
// changes what the config says.
func TestThreatForeignRealm(t *testing.T) {
	t.Parallel()
	open := newWorld(t, setup{config: "policy: {default: deny}\n", users: user(t, "a")})
	fixed := open.again(setup{config: "policy: {default: deny}\nserver: {external_url: 'https://reg.example.com'}\n", users: user(t, "a")})
	const password, here = `Basic realm="sreg", charset="UTF-8"`, `Bearer realm="http://reg.example.com/token",service="sreg"`
	for _, tt := range []struct{ name, request, want string }{
		{"the host", "GET /v2/ HTTP/1.1\r\nHost: reg.example.com\r\n", here},
		{"what proxies say without being trusted", "GET /v2/ HTTP/1.1\r\nHost: reg.example.com\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.example;proto=https\r\nX-Original-Host: evil.example\r\n", here},
		{"a whole URL counts before the header", "GET http://reg.example.com/v2/ HTTP/1.1\r\nHost: evil.example\r\n", here},
		{"a user name in the URL is none", "GET http://a:b@reg.example.com/v2/ HTTP/1.1\r\nHost: evil.example\r\n", here},
		{"a host that hides another one", "GET /v2/ HTTP/1.1\r\nHost: reg.example.com%40evil.example\r\n", password},
		{"a host with signs", "GET /v2/ HTTP/1.1\r\nHost: reg.example.com,realm=evil\r\n", password},
		{"an empty host", "GET /v2/ HTTP/1.1\r\nHost:\r\n", password},
		{"no host", "GET /v2/ HTTP/1.0\r\n", password},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := open.send(tt.request+"\r\n").is(t, http.StatusUnauthorized)
			if got := r.header.Get("Www-Authenticate"); got != tt.want {
				t.Errorf("challenge %s, want %s", got, tt.want)
			}
			r = fixed.send(tt.request+"\r\n").is(t, http.StatusUnauthorized)
			if got, want := r.header.Get("Www-Authenticate"), `Bearer realm="https://reg.example.com/token",service="reg.example.com"`; got != want {
				t.Errorf("with an external URL: challenge %s, want %s", got, want)
			}
			if got := r.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("a cache may keep the challenge: %q", got)
			}
		})
	}
}

// TestThreatPathThatIsReadTwice: no way of writing a path or a request gets to what b has. Each is asked
// with a's password.
func TestThreatPathThatIsReadTwice(t *testing.T) {
	t.Parallel()
	w := newTenants(t, "")
	blob, auth := digestOf("layer b's"), "Authorization: "+signIn("a")+"\r\n"
	for _, path := range []string{
		"/v2/b%2F/blobs/{}", "/v2/a%2f..%2fb/blobs/{}", "/v2/a/../b/blobs/{}", "/v2/a/%2e%2e/b/blobs/{}", "/v2//b/blobs/{}", "/v2/b//blobs/{}", "/v2/b/blobs//{}",
		"/v2/B/blobs/{}", "/V2/b/blobs/{}", "/v2/%62/blobs/{}", "/v2/b/blobs/{}?ns=a", "/v2/b/blobs/{}#/a/", "/v2/b/blobs/{}/", "/v2/b/%62lobs/{}", "/v2/b;a/blobs/{}",
		"/v2/b/blobs/{}%00", "/v2/a%00/../b/blobs/{}", "/v2/a/blobs/uploads/../../../b/blobs/{}", "/v2/b\\blobs/{}", "/./v2/b/blobs/{}", "//v2/b/blobs/{}", "/x/../v2/b/blobs/{}",
		"http://a/v2/b/blobs/{}", "/v2/a/manifests/../../b/blobs/{}", "/v2/a/../../v2/b/blobs/{}", "/v2/b/_layers/{}", "/v2/../data/b/{}", "/v2/_blobs/sha256/blobs/{}",
	} {
		for _, method := range []string{"GET", "HEAD", "DELETE", "get", "Get"} {
			r := w.send(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, strings.ReplaceAll(path, "{}", blob), auth))
			if r.status < 400 || r.status >= 500 || strings.Contains(r.body, "layer b's") {
				t.Errorf("%s %s: status %d, %s", method, path, r.status, r.body)
			}
		}
	}
	for name, request := range map[string]string{
		"a password in the trailer":     "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n0\r\n" + auth + "\r\n",
		"two headers in different case": "GET /v2/a/tags/list HTTP/1.1\r\nHost: x\r\n" + auth + strings.Replace(auth, "Authorization", "AUTHORIZATION", 1) + "\r\n",
		"a space before the colon":      "GET /v2/a/tags/list HTTP/1.1\r\nHost: x\r\n" + strings.Replace(auth, ":", " :", 1) + "\r\n",
		"two credentials in one line":   "GET /v2/a/tags/list HTTP/1.1\r\nHost: x\r\n" + strings.TrimSpace(auth) + ", Bearer x\r\n\r\n",
		"two lengths":                   "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
		"two hosts":                     "GET /v2/a/tags/list HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + auth + "\r\n",
		"a password in the URL":         "GET http://a:a-secret@x/v2/a/tags/list HTTP/1.1\r\nHost: x\r\n\r\n",
		"another protocol":              "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n",
		"an echo":                       "TRACE /v2/ HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if r := w.send(request); r.status < 400 || r.status >= 500 || strings.Contains(r.body, "Basic") {
				t.Errorf("status %d, %s", r.status, r.body)
			}
		})
	}
	w.get("/v2/b/blobs/"+blob, signIn("b")).is(t, http.StatusOK)
}
