package main_test

import (
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
)

// site is a registry that people sign in to: alice and the workflows of acme may do everything, and so may
// the certificate of builder; mallory signs in and may do nothing; everybody pulls what is public.
type site struct {
	*server
	host string     // what clients call it
	ca   *authority // nil over plain HTTP
	ci   provider
}

// login is what somebody shows to a registry; nothing at all is nobody.
type login struct {
	user, password string
	cert, key      string // files of a client certificate
}

// siteOptions is what differs between sites.
type siteOptions struct {
	// NoTokens switches the token service off.
	NoTokens bool
	// Refresh is auth.token.refresh; empty is the default.
	Refresh string
	// TLS is for certificates, those of clients included.
	TLS bool
	// Named gives the registry a name that no client takes for loopback, where it has TLS.
	Named bool
}

const rulesOfASite = `policy:
  default: deny
  rules:
    - {name: metrics, expr: request.action == 'metrics'}
    - name: everybody pulls what is public
      expr: request.action in ['get-manifest', 'get-blob', 'get-referrers', 'list-tags'] && request.namespace.glob('public/**')
    - {name: people, expr: "'dev' in identity.groups"}
    - name: workflows
      expr: identity.oidc != null && identity.oidc.provider_name == 'ci' && identity.oidc.claims['repository_owner'] == 'acme'
    - {name: machines, expr: "'builder' in identity.certificate.common_names"}
`

// newSite starts a registry with users that sreg user wrote, and a provider of tokens.
func newSite(t *testing.T, opts siteOptions) *site {
	t.Helper()
	s := &site{ci: newProvider(t)}
	dir := t.TempDir()
	users := filepath.Join(dir, "users")
	writeUsers(t, users)

	listener := `{name: main, address: "127.0.0.1:0"}`
	var files string
	if opts.TLS {
		a := newAuthority(t)
		s.ca = &a
		listener = `{name: main, address: "127.0.0.1:0", tls: true}`
		files = fmt.Sprintf("\n  tls: {cert_file: %s, key_file: %s, client_ca_file: %s, client_auth: optional}", a.cert, a.key, a.ca)
	}
	if opts.TLS && opts.Named {
		addHost(t, "::1 "+tlsName)
		listener = strings.Replace(listener, "127.0.0.1", "[::1]", 1)
	}
	config := filepath.Join(dir, "sreg.yaml")
	writeFile(t, config, fmt.Sprintf(`server:
  listeners: [%s]%s
auth:
  users_file: %s
  token: {enabled: %t, refresh: %s}
  oidc: [{name: ci, issuer: %q, audience: [sreg]}]
%s`, listener, files, users, !opts.NoTokens, cmp.Or(opts.Refresh, "docker"), s.ci.url, rulesOfASite))
	s.server = serve(t, "-c", config)
	s.host = s.address
	if opts.TLS && opts.Named {
		_, port, _ := strings.Cut(s.address, "]:")
		s.host = tlsName + ":" + port
	}
	return s
}

// alice and mallory have a password, and no rule allows mallory anything.
var (
	alice   = login{user: "alice", password: "correct horse battery"}
	mallory = login{user: "mallory", password: "plover kettle ninety"}
)

// usersOfSites is a file of both that sreg user has written: once, because a hash is dear on purpose.
var usersOfSites = sync.OnceValues(func() (string, error) {
	file := filepath.Join(programs, "users")
	err := errors.Join(addUser(file, alice, "dev"), addUser(file, mallory, "none"))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	return string(text), err
})

func writeUsers(t *testing.T, file string) {
	t.Helper()
	text, err := usersOfSites()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, text)
}

func addUser(file string, who login, group string) error {
	cmd := exec.Command(binary, "user", "add", who.user, "--password-stdin", "--group", group, "--file", file)
	cmd.Stdin = strings.NewReader(who.password)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("add user %s: %w\n%s", who.user, err, out)
	}
	return nil
}

// accepted counts by method how often it accepted somebody.
func (s *site) accepted(t *testing.T) map[string]int {
	t.Helper()
	scheme, client := "http://", http.DefaultClient
	if s.ca != nil {
		scheme, client = "https://", s.ca.client(t)
	}
	response, err := client.Get(scheme + s.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("metrics: got %s, %v\n%s", response.Status, err, text)
	}
	counts := map[string]int{}
	for _, line := range acceptedLine.FindAllStringSubmatch(string(text), -1) {
		if counts[line[1]], err = strconv.Atoi(line[2]); err != nil {
			t.Fatal(err)
		}
	}
	if len(counts) < 4 {
		t.Fatalf("metrics: got the methods %v, want all in\n%s", counts, text)
	}
	return counts
}

var acceptedLine = regexp.MustCompile(`(?m)^sreg_auth_attempts_total\{method="([a-z]+)",result="accepted"\} (\d+)$`)

// certificate makes a client certificate that the site's CA has signed.
func (s *site) certificate(t *testing.T, commonName string) login {
	t.Helper()
	key := newKey(t)
	dir := t.TempDir()
	who := login{cert: filepath.Join(dir, "client.cert"), key: filepath.Join(dir, "client.key")}
	writePEM(t, who.cert, "CERTIFICATE", signed(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: commonName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, s.ca.parent, key, s.ca.signer))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, who.key, "PRIVATE KEY", der)
	return who
}

// certDir is a folder as docker and skopeo want it: the CA, and the certificate of who asks.
func (s *site) certDir(t *testing.T, who login, dir string) string {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "ca.crt"), readPage(t, s.ca.ca))
	if who.cert != "" {
		writeFile(t, filepath.Join(dir, "client.cert"), readPage(t, who.cert))
		writeFile(t, filepath.Join(dir, "client.key"), readPage(t, who.key))
	}
	return dir
}

// provider is an OIDC provider of workflows.
type provider struct {
	url  string
	sign func(claims string) string
}

func newProvider(t *testing.T) provider {
	t.Helper()
	key := newKey(t)
	oidcServer := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "one", Algorithm: oidc.ES256}}}
	server := httptest.NewServer(oidcServer)
	t.Cleanup(server.Close)
	oidcServer.SetIssuer(server.URL)
	return provider{url: server.URL, sign: func(claims string) string { return oidctest.SignIDToken(key, "one", oidc.ES256, claims) }}
}

// workflow is the login of a job: the provider's name and its token.
func (p provider) workflow(t *testing.T, owner string) login {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": p.url, "sub": "repo:" + owner + "/app", "aud": "sreg", "repository_owner": owner,
		"iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return login{user: "ci", password: p.sign(string(claims))}
}
