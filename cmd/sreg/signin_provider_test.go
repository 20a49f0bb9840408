package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certified is npm's oidc-provider, a certified OIDC provider, as a process. The test keeps its socket, so
// that it has the same address when it is started anew.
type certified struct {
	url     string
	socket  *os.File
	folder  string // of npm's packages
	process *process
}

func newCertified(t *testing.T) *certified {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // the socket stays open
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	p := &certified{url: "http://" + listener.Addr().String(), socket: socket, folder: needModules(t, "oidc-provider")}
	p.start(t)
	return p
}

// needModules finds the folder of a tool that comes from npm.
func needModules(t *testing.T, tool string) string {
	t.Helper()
	folder := filepath.Join(repository, ".tools", "npm", tool, "node_modules")
	if _, err := os.Stat(folder); err != nil {
		leaveOut(t, tool+" is not installed; make tools installs it")
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	return absolute
}

// start starts it with a new key, the only one that it has.
func (p *certified) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(filepath.Join(p.folder, ".bin", "node"), filepath.Join(repository, "testdata", "oidc-provider", "provider.cjs"), p.url)
	cmd.Env = append(os.Environ(), "NODE_PATH="+p.folder)
	cmd.ExtraFiles = []*os.File{p.socket}
	p.process = start(t, cmd)
	p.process.await(t, regexp.MustCompile(`(?m)^ready$`))
}

func (p *certified) stop(t *testing.T) {
	t.Helper()
	p.process.signal(t, syscall.SIGTERM)
	if err := p.process.wait(t); err != nil {
		t.Fatalf("stop the provider: %v\n%s", err, p.process.output())
	}
}

// token signs a machine in, for a service.
func (p *certified) token(t *testing.T, machine, service string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, p.url+"/token", strings.NewReader(url.Values{
		"grant_type": {"client_credentials"}, "resource": {"urn:test:" + service},
	}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true // the provider may have been another process before
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(machine, machine+"-secret")
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token   string `json:"access_token"`
		Problem string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("sign in as %s: got %s, %v: %s", machine, response.Status, err, answer.Problem)
	}
	return answer.Token
}

// endOf reads when a token ends.
func endOf(t *testing.T, token string) time.Time {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		End int64 `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.End == 0 {
		t.Fatalf("the token %s has no exp: %v", payload, err)
	}
	return time.Unix(claims.End, 0)
}

// asBearer and asPassword are the two ways to show a token of the provider.
func asBearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func asPassword(token string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth("npm", token) }
}

// upload starts one in a namespace, and returns the status of the answer.
func upload(t *testing.T, s *server, namespace string, as func(*http.Request)) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.url("/v2/"+namespace+"/blobs/uploads/"), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	as(request)
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// TestACertifiedProvider needs packages of npm, so it runs with the slow tests.
func TestACertifiedProvider(t *testing.T) {
	t.Parallel()
	if !all() {
		t.Log("runs with make test-all")
		return
	}
	p := newCertified(t)
	config := filepath.Join(t.TempDir(), "sreg.yaml")
	writeFile(t, config, fmt.Sprintf(`server:
  listeners: [{name: main, address: "127.0.0.1:0"}]
auth:
  oidc:
    - {name: npm, issuer: %q, audience: [sreg], username_claim: email, groups_claim: groups, clock_skew: 0s}
policy:
  default: deny
  rules:
    - {name: developers, expr: "request.namespace.glob('team/**') && 'dev' in identity.groups"}
    - name: builder
      expr: >-
        request.namespace == 'builder' && identity.id == 'npm/builder' && identity.username == 'builder@example.com'
        && identity.oidc.provider_name == 'npm' && identity.oidc.claims['iss'] == %q
`, p.url, p.url))
	s := &site{server: serve(t, "-c", config)}
	s.host = s.address
	asks := func(t *testing.T, what, namespace string, as func(*http.Request), want int) {
		t.Helper()
		if got := upload(t, s.server, namespace, as); got != want {
			t.Errorf("%s: a push to %s got %d, want %d", what, namespace, got, want)
		}
	}

	t.Run("its token is a password and a Bearer token, and its groups reach the policy", func(t *testing.T) {
		builder, guest := p.token(t, "builder", "sreg"), p.token(t, "guest", "sreg")
		for way, as := range map[string]func(string) func(*http.Request){"Bearer": asBearer, "password": asPassword} {
			asks(t, way+": in the group", "team/app", as(builder), http.StatusAccepted)
			asks(t, way+": by its name", "builder", as(builder), http.StatusAccepted)
			asks(t, way+": in another group", "team/app", as(guest), http.StatusForbidden)
			asks(t, way+": made for another service", "team/app", as(p.token(t, "builder", "other")), http.StatusUnauthorized)
			asks(t, way+": not its signature", "team/app", as(builder[:len(builder)-20]+strings.Repeat("A", 20)), http.StatusUnauthorized)
		}
		works(t, "crane push", cranePush, s, login{user: "npm", password: builder}, s.host+"/team/app:1")
		fails(t, "crane push by somebody else", cranePush, s, login{user: "npm", password: guest}, s.host+"/team/app:2", denied)
	})

	t.Run("its token ends when it says so", func(t *testing.T) {
		token := p.token(t, "hasty", "sreg")
		end := endOf(t, token)
		asks(t, "a fresh token", "team/app", asBearer(token), http.StatusAccepted)
		tick, deadline := time.NewTicker(50*time.Millisecond), time.After(patience)
		defer tick.Stop()
		for upload(t, s.server, "team/app", asBearer(token)) == http.StatusAccepted {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("a token that ended at %s is still accepted", end)
			}
		}
		if now := time.Now(); now.Before(end) {
			t.Errorf("refused at %s, want not before %s", now, end)
		}
		asks(t, "a token that has ended", "team/app", asBearer(token), http.StatusUnauthorized)
		asks(t, "a token that has ended, as password", "team/app", asPassword(token), http.StatusUnauthorized)
	})

	t.Run("its keys rotate, and it may be down", func(t *testing.T) {
		seen, second, third := p.token(t, "builder", "sreg"), p.token(t, "builder", "sreg"), p.token(t, "builder", "sreg")
		asks(t, "a token of the first key", "team/app", asBearer(seen), http.StatusAccepted)
		p.stop(t)
		asks(t, "a token that is remembered while the provider is down", "team/app", asBearer(seen), http.StatusAccepted)
		asks(t, "a new token of a known key while the provider is down", "team/app", asBearer(second), http.StatusAccepted)
		p.start(t)
		asks(t, "a token of the new key", "team/app", asBearer(p.token(t, "builder", "sreg")), http.StatusAccepted)
		asks(t, "a token of a key that is gone", "team/app", asBearer(third), http.StatusUnauthorized)
		asks(t, "a token of a key that is gone, remembered", "team/app", asBearer(seen), http.StatusAccepted)
	})
}
