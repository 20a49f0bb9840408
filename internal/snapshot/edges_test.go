package snapshot_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEdgesOfTheVersionCheck: what /v2/ says to each kind of sender, by what the config says.
func TestEdgesOfTheVersionCheck(t *testing.T) {
	t.Parallel()
	provider := newIssuer(t)
	const deny, open = "policy: {default: deny}\n", "policy: {default: allow}\n"
	const bearer, none = "Bearer realm=", ""
	users := user(t, "a")
	credentials := func(w *world) map[string]string {
		return map[string]string{
			"nobody":                        "",
			"empty Basic":                   basic("", ""),
			"an empty Bearer":               "Bearer ",
			"a right password":              signIn("a"),
			"a wrong password":              basic("a", "wrong"),
			"a user who is not there":       basic("nobody", "wrong"),
			"a token":                       tokenIf(w, signIn("a")),
			"an anonymous token":            tokenIf(w, ""),
			"a token of the provider":       "Bearer " + provider.token(t, nil),
			"one as a password":             basic("ci", provider.token(t, nil)),
			"an expired one":                "Bearer " + provider.token(t, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}),
			"a future one":                  "Bearer " + provider.token(t, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}),
			"an expired one, as a password": basic("ci", provider.token(t, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})),
			"an unknown method":             "Negotiate abc",
			"Basic that is none":            "Basic ???",
			"a word":                        "x",
			"a scheme in another case":      strings.Replace(signIn("a"), "Basic", "bAsIc", 1),
		}
	}
	good := []string{"a right password", "a token", "a token of the provider", "one as a password", "a scheme in another case"}
	empty := []string{"nobody", "empty Basic", "an empty Bearer"}
	for _, tt := range []struct {
		name, config, users string
		anonymous           int    // what who shows nothing is answered
		challenge           string // what a 401 begins with
		anonymousToken      int
		elsewhere           int // what a wrong credential is answered where everybody may
	}{
		{"users, closed", provider.config() + deny, users, 401, bearer, 200, 401},
		{"users, open to all", provider.config() + open, users, 401, bearer, 200, 200},
		{"wrong ones are rejected", strings.Replace(provider.config(), "auth: {", "auth: {invalid_credentials: reject, ", 1) + open, users, 401, bearer, 200, 401},
		{"no tokens", strings.Replace(provider.config(), "auth: {", "auth: {token: {enabled: false}, ", 1) + open, users, 401, "Basic realm=", 401, 200},
	} {
		w := newWorld(t, setup{config: tt.config, users: tt.users})
		for name, auth := range credentials(w) {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				want := http.StatusUnauthorized
				switch {
				case slices.Contains(good, name):
					want = http.StatusOK
				case slices.Contains(empty, name):
					want = tt.anonymous
				case name == "an anonymous token":
					want = tt.anonymousToken
				}
				if auth == "off" {
					return // there are no tokens to be had
				}
				for _, path := range []string{"/v2/", "/v2", "/v2/?x=y"} {
					r := w.get(path, auth).is(t, want)
					if got := r.header.Get("Www-Authenticate"); want == 401 != strings.HasPrefix(got+"?", tt.challenge) {
						t.Errorf("%s: challenge %q, want %s", path, got, tt.challenge)
					}
				}
				if want == http.StatusUnauthorized && !slices.Contains(empty, name) {
					w.get("/v2/_catalog", auth).is(t, tt.elsewhere)
				}
			})
		}
	}
	t.Run("nobody can sign in", func(t *testing.T) {
		w := newWorld(t, setup{config: open})
		w.get("/v2/", "").is(t, http.StatusOK)
		w.get("/v2/", basic("a", "b")).is(t, http.StatusOK) // it is the password of a proxy
		w.get("/token", "").is(t, http.StatusNotFound)
	})
}

// tokenIf is a token for a credential, or off where there are none.
func tokenIf(w *world, auth string) string {
	r := w.get("/token", auth)
	var answer tokenAnswer
	if r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &answer) != nil {
		return "off"
	}
	return "Bearer " + answer.Token
}

// TestEdgesOfCredentials: requests whose credentials are odd get a clear answer, and nothing else changes.
func TestEdgesOfCredentials(t *testing.T) {
	t.Parallel()
	provider := newIssuer(t)
	w := newWorld(t, setup{config: provider.config() + "policy: {default: allow}\n", users: user(t, "a")})
	for _, tt := range []struct {
		name   string
		header http.Header
		status int // below /v2/ and at the token service
	}{
		{"two Authorization headers", http.Header{"Authorization": {signIn("a"), signIn("a")}}, 400},
		{"two, one of them empty", http.Header{"Authorization": {signIn("a"), ""}}, 400},
		{"60 KiB of claims", http.Header{"Authorization": {"Bearer " + provider.token(t, map[string]any{"x": strings.Repeat("x", 43<<10)})}}, 400},
		{"60 KiB of password", http.Header{"Authorization": {basic("a", strings.Repeat("x", 43<<10))}}, 400},
		{"1 MB of claims", http.Header{"Authorization": {"Bearer " + provider.token(t, map[string]any{"x": strings.Repeat("x", 1<<20)})}}, 431},
		{"1 MB of a password", http.Header{"Authorization": {basic("a", strings.Repeat("x", 1<<20))}}, 431},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/v2/", "/v2/_catalog", "/token"} {
				w.do(call{method: "GET", path: path, header: tt.header}).is(t, tt.status)
			}
		})
	}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for name, body := range map[string]string{
		"1 MB in a form":       "grant_type=password&service=sreg&username=a&password=" + strings.Repeat("x", 1<<20),
		"no grant type":        "service=sreg",
		"an unknown one":       "grant_type=client_credentials",
		"an empty refresh":     "grant_type=refresh_token&refresh_token=",
		"what is no form":      "%zz",
		"hundreds of scopes":   "grant_type=password" + strings.Repeat("&scope=x", 500),
		"a service of another": "grant_type=password&service=other",
	} {
		t.Run(name, func(t *testing.T) {
			w.do(call{method: "POST", path: "/token", header: form, body: body}).is(t, http.StatusBadRequest)
		})
	}
	w.get("/v2/", signIn("a")).is(t, http.StatusOK)
}

// TestEdgesOfAPOST: an upload that ends in its POST asks for the begin and the end, a mount that finds
// nothing for the begin, and one that may not take from its source as well.
func TestEdgesOfAPOST(t *testing.T) {
	t.Parallel()
	users := user(t, "root")
	of := map[string]string{
		"begin": "start-upload", "end": "start-upload complete-upload", "onlyend": "complete-upload",
		"mount": "mount-blob", "mountpull": "mount-blob get-blob", "mountbegin": "mount-blob start-upload", "all": "mount-blob get-blob start-upload complete-upload",
	}
	for name, groups := range of {
		users += user(t, name, strings.Fields(groups)...)
	}
	w := newWorld(t, setup{config: "policy: {rules: [\"identity.username == 'root' || request.action in identity.groups\"]}\n", users: users})
	there := w.pushBlob(signIn("root"), "source", "content")
	absent := digestOf("nothing")
	whole := call{method: "POST", path: "/v2/app/blobs/uploads/?digest=" + digestOf("whole"), body: "whole"}
	mount := func(digest string) call {
		return call{method: "POST", path: "/v2/app/blobs/uploads/?from=source&mount=" + digest}
	}
	for _, tt := range []struct {
		who    string
		call   call
		status int
	}{
		{"begin", whole, 403},
		{"onlyend", whole, 403},
		{"end", whole, 201},
		{"begin", call{method: "POST", path: "/v2/app/blobs/uploads/"}, 202},
		{"onlyend", call{method: "POST", path: "/v2/app/blobs/uploads/"}, 403},
		{"mount", mount(there), 403},
		{"mount", mount(absent), 403},
		{"mountpull", mount(there), 201},
		{"mountpull", mount(absent), 403},
		{"mountbegin", mount(there), 202},
		{"mountbegin", mount(absent), 202},
		{"begin", mount(there), 403},
		{"all", mount(there), 201},
		{"all", mount(absent), 202},
	} {
		t.Run(tt.who+" "+tt.call.path[len("/v2/app/blobs/uploads/"):], func(t *testing.T) {
			tt.call.auth = signIn(tt.who)
			w.do(tt.call).is(t, tt.status)
		})
	}
}

// TestEdgesOfAdminListeners: metrics are asked about on a listener that serves the registry, and not on one
// that serves nothing else.
func TestEdgesOfAdminListeners(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{config: "policy: {default: deny}\n", users: user(t, "a")})
	w.get("/metrics", "").is(t, http.StatusUnauthorized)
	w.get("/metrics", signIn("a")).is(t, http.StatusForbidden)
	for _, path := range []string{"/healthz", "/health", "/readyz", "/"} {
		w.get(path, "").is(t, http.StatusOK)
	}
	w = newWorld(t, setup{
		config: "policy: {default: deny}\nserver: {listeners: [{name: main, address: '127.0.0.1:0'}, {name: admin, address: '127.0.0.1:0', serves: [metrics, pprof]}]}\n",
		users:  user(t, "a"),
	})
	w.get("/metrics", signIn("a")).is(t, http.StatusNotFound)
	w.get("/debug/pprof/cmdline", signIn("a")).is(t, http.StatusNotFound)
	w.url = "http://" + w.bound[1].Addr.String()
	w.get("/metrics", "").is(t, http.StatusOK)
	w.get("/debug/pprof/cmdline", "").is(t, http.StatusOK)
	w.get("/v2/", signIn("a")).is(t, http.StatusNotFound)
	w.get("/token", signIn("a")).is(t, http.StatusNotFound)
}

// TestEdgesOfClientCertificates: a certificate signs in by itself, and stands beside a password.
func TestEdgesOfClientCertificates(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	ca, caKey := newCertificate(t, "ca", nil, nil)
	leaf, leafKey := newCertificate(t, "robot", ca, caKey)
	host, hostKey := newCertificate(t, "localhost", ca, caKey)
	writePEM(t, filepath.Join(folder, "ca.pem"), "CERTIFICATE", ca.Raw)
	writePEM(t, filepath.Join(folder, "host.pem"), "CERTIFICATE", host.Raw)
	der, err := x509.MarshalPKCS8PrivateKey(hostKey)
	must(t, err)
	writePEM(t, filepath.Join(folder, "host.key"), "PRIVATE KEY", der)
	w := newWorld(t, setup{
		config: fmt.Sprintf(`
server:
  listeners: [{name: main, address: "127.0.0.1:0", tls: true}]
  tls: {cert_file: %q, key_file: %q, client_ca_file: %q}
policy: {rules: ["identity.certificate.common_names.contains('robot') && request.action == 'list-catalog'", "identity.username == 'a'"]}
`, filepath.Join(folder, "host.pem"), filepath.Join(folder, "host.key"), filepath.Join(folder, "ca.pem")),
		users: user(t, "a"),
	})
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	w.url = "https://" + w.bound[0].Addr.String()
	client := func(shown ...tls.Certificate) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: shown, ServerName: "localhost"}}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	robot, nobody := client(tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}), client()
	for _, tt := range []struct {
		name   string
		client *http.Client
		path   string
		auth   string
		status int
	}{
		{"no certificate", nobody, "/v2/", "", 401},
		{"a certificate", robot, "/v2/", "", 200},
		{"a certificate and a right password", robot, "/v2/", signIn("a"), 200},
		{"a certificate and a wrong password", robot, "/v2/", basic("a", "wrong"), 401},
		{"what the certificate may", robot, "/v2/_catalog", "", 200},
		{"what it may, beside a wrong password", robot, "/v2/_catalog", basic("a", "wrong"), 200},
		{"what it may not", robot, "/v2/app/tags/list", "", 403},
		{"what the user beside it may", robot, "/v2/app/tags/list", signIn("a"), 404},
		{"nobody", nobody, "/v2/_catalog", "", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.client = tt.client
			w.get(tt.path, tt.auth).is(t, tt.status)
		})
	}
	t.Run("a token does not carry the certificate", func(t *testing.T) {
		w.client = robot
		token := w.token("")
		w.get("/v2/_catalog", token).is(t, http.StatusOK)
		w.client = nobody
		w.get("/v2/_catalog", token).is(t, http.StatusUnauthorized)
	})
}

func newCertificate(t testing.TB, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: parent == nil,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	must(t, err)
	certificate, err := x509.ParseCertificate(der)
	must(t, err)
	return certificate, key
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	write(t, filepath.Dir(path), filepath.Base(path), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}
