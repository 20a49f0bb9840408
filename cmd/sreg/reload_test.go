package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// reloading is a server with TLS and users whose files a test changes.
type reloading struct {
	*server
	t      *testing.T
	folder string // of all files but the data
	ca     string
}

func (r *reloading) path(name string) string { return filepath.Join(r.folder, name) }

// put replaces a file at once, as a careful program does.
func (r *reloading) put(name, text string) {
	r.t.Helper()
	writeFile(r.t, r.path(name+".new"), text)
	if err := os.Rename(r.path(name+".new"), r.path(name)); err != nil {
		r.t.Fatal(err)
	}
}

// certify makes a certificate of a new authority, which clients have to trust from now on.
func (r *reloading) certify() {
	r.t.Helper()
	a := newAuthority(r.t)
	r.put("tls.pem", readFile(r.t, a.key)+readFile(r.t, a.cert))
	r.ca = a.ca
}

// config is a config of the server's listeners and files, with more below.
func (r *reloading) config(more string) string {
	return fmt.Sprintf(`server:
  listeners: [{name: main, address: "127.0.0.1:0", tls: true}]
  tls: {cert_file: %q, key_file: %q}
auth: {users_file: %q}
log: {audit: {file: %q}}
`, r.path("tls.pem"), r.path("tls.pem"), r.path("users"), r.path("audit.log")) + more
}

const signedIn = "policy: {rules: ['identity.username != null']}\n"

func newReloading(t *testing.T) *reloading {
	t.Helper()
	r := &reloading{t: t, folder: t.TempDir()}
	r.certify()
	r.addUser("alice")
	r.addUser("bob")
	r.put("sreg.yaml", r.config(signedIn))
	r.server = serveIn(t, filepath.Join(t.TempDir(), "data"), "-c", r.path("sreg.yaml"))
	return r
}

func (r *reloading) addUser(name string) {
	r.t.Helper()
	add := command(r.t, binary, "user", "add", name, "--password-stdin", "--file", r.path("users"))
	add.Stdin = strings.NewReader("correct horse battery")
	runCmd(r.t, add)
}

// status is that of a request by a user, of a connection of its own. It is 0 if the certificate is not the newest one.
func (r *reloading) status(user, path string) int {
	r.t.Helper()
	pem, err := os.ReadFile(r.ca)
	if err != nil {
		r.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "https://"+r.address+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if user != "" {
		q.SetBasicAuth(user, "correct horse battery")
	}
	answer, err := client.Do(q)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// metric is the value of a metric without labels.
func (r *reloading) metric(name string) string {
	r.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} // the certificate may change meanwhile
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "https://"+r.address+"/metrics", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	q.SetBasicAuth("bob", "correct horse battery")
	answer, err := client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	match := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	if match == nil {
		r.t.Fatalf("there is no %s in\n%s", name, text)
	}
	return string(match[1])
}

// TestAChangeOfAFileIsServed: users, certificates and rules without a restart, nothing of what is wrong, and all but what
// needs a restart.
func TestAChangeOfAFileIsServed(t *testing.T) {
	t.Parallel()
	r := newReloading(t)
	if got := r.status("alice", "/v2/"); got != http.StatusOK {
		t.Fatalf("alice: status %d", got)
	}
	r.addUser("dora")
	eventually(t, "dora signs in", func() bool { return r.status("dora", "/v2/") == http.StatusOK })
	r.certify()
	eventually(t, "the new certificate is served", func() bool { return r.status("bob", "/v2/") == http.StatusOK })

	r.put("sreg.yaml", r.config("policy: {rules: ['identity.username == null ||']}\n"))
	r.process.await(t, regexp.MustCompile(`"config refused, .*/sreg.yaml:6:47: `))
	if got := r.metric("sreg_config_last_reload_successful"); got != "0" {
		t.Errorf("a config was refused, and sreg_config_last_reload_successful is %s", got)
	}
	r.certify()
	r.addUser("carol")
	eventually(t, "users and certificates change beside a config that is refused", func() bool { return r.status("carol", "/v2/") == http.StatusOK })

	r.put("sreg.yaml", r.config("policy: {rules: [\"identity.username == 'bob'\"]}\n"))
	eventually(t, "another rule is served", func() bool { return r.status("alice", "/v2/a/tags/list") == http.StatusForbidden })
	r.put("sreg.yaml", strings.Replace(r.config(signedIn+"gc: {grace: 2h}\ncache: {size: 1MiB}\n"), "127.0.0.1:0", "127.0.0.1:1", 1))
	for _, key := range []string{`server.listeners\[main\].address","old":"127.0.0.1:0","new":"127.0.0.1:1`, "policy.rules", "gc.grace"} {
		r.process.await(t, regexp.MustCompile(`"a change needs a restart".*"key":"`+key))
	}
	r.process.await(t, regexp.MustCompile(`"config reloaded".*"keys":\["cache.size"\]`))
	if got := r.metric("sreg_config_restart_needed"); got != "3" {
		t.Errorf("sreg_config_restart_needed is %s", got)
	}
	if got := r.metric("sreg_config_last_reload_successful"); got != "1" {
		t.Errorf("sreg_config_last_reload_successful is %s", got)
	}
	if got := r.status("alice", "/v2/a/tags/list"); got != http.StatusForbidden {
		t.Errorf("rules that are meant for another address are served: status %d", got)
	}

	r.put("sreg.yaml", r.config("policy: {rules: [\"request.namespace != null && request.namespace.matches('[^\\\\s\\\\S]') || identity.username == 'bob'\"]}\n"+
		"webhooks: [{name: later, url: 'http://127.0.0.1:1/', bearer_token: 'file:"+r.path("later")+"'}]\n"))
	r.process.await(t, regexp.MustCompile(`"config refused, .*/later`))
	r.put("later", "a secret that comes later")
	r.process.await(t, regexp.MustCompile(`"config reloaded".*"keys":\["cache.size"`))

	if err := os.Rename(r.path("audit.log"), r.path("audit.log.1")); err != nil {
		t.Fatal(err)
	}
	r.process.signal(t, syscall.SIGHUP)
	eventually(t, "the audit log is a new file", func() bool {
		_, err := os.Stat(r.path("audit.log"))
		return err == nil
	})
	r.stop(t)
}

// TestABrokenUsersFileIsToldOnce: as what is wrong, and not as what could not be renewed beside it.
func TestABrokenUsersFileIsToldOnce(t *testing.T) {
	t.Parallel()
	r := newReloading(t)
	whole, err := os.ReadFile(r.path("users"))
	if err != nil {
		t.Fatal(err)
	}
	r.put("users", "broken\n")
	r.process.await(t, regexp.MustCompile(`"config refused, .*users:1: the line has no colon`))
	r.put("users", string(whole)+"# mended\n")
	r.process.await(t, regexp.MustCompile(`"config reloaded"`))
	if got := strings.Count(r.process.output(), `"level":"ERROR"`); got != 1 {
		t.Errorf("got %d errors, want 1:\n%s", got, r.process.output())
	}
	r.stop(t)
}

// TestReloadsUnderLoad changes everything that can change while clients push and pull. No request fails, none sees half
// of one config and half of another, nobody is signed out, and nothing is left behind.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	rounds := 2
	if all() {
		rounds = 25 // of nine changes
	}
	r := newReloading(t)
	// In each of the two nobody reads below mixed: one denies it for all, the other one in the repository itself.
	policies := []string{
		r.config("policy: {rules: [\"identity.username != null && (request.namespace == null || !request.namespace.startsWith('mixed'))\"]}\n" +
			"repositories: [{name: mixed, policy: {default: allow}}]\n"),
		r.config(signedIn + "repositories: [{name: mixed, policy: {rules: ['false']}}]\n"),
	}
	r.put("sreg.yaml", policies[0])
	r.awaitCount("config reloaded", 1)

	taken, refused := 1, 0
	change := func(round int) {
		for _, step := range []struct {
			change func()
			wrong  bool
		}{
			{func() { r.put("sreg.yaml", policies[1]) }, false},
			{func() { r.put("sreg.yaml", policies[0]+"log: {level: loud}\n") }, true},
			{func() { r.put("sreg.yaml", policies[0]) }, false},
			{func() { writeFile(t, r.path("sreg.yaml"), policies[1][:len(policies[1])/2]) }, true},
			{func() { writeFile(t, r.path("sreg.yaml"), policies[1]) }, false},
			{func() { r.addUser("user" + strconv.Itoa(round)) }, false},
			{func() { r.put("tls.pem", readFile(t, r.path("tls.pem"))+"\n") }, false},
			{func() { r.process.signal(t, syscall.SIGHUP) }, false},
			{func() { r.put("sreg.yaml", policies[0]) }, false},
		} {
			step.change()
			if step.wrong {
				refused++
				r.awaitCount("config refused", refused)
			} else {
				taken++
				r.awaitCount("config reloaded", taken)
			}
		}
	}
	t.Cleanup(r.showRefusals)
	goroutines, _ := r.leftBehind()
	load := newReloadLoad(r)
	for i := range rounds {
		change(i)
	}
	load.end()
	eventually(t, "the end of what the reloads began", func() bool {
		now, _ := r.leftBehind()
		return now <= goroutines
	})
	_, files := r.leftBehind() // those of the store that were read last stay open
	change(rounds)
	eventually(t, "the end of what the last reloads began and opened", func() bool {
		now, open := r.leftBehind()
		return now <= goroutines && open <= files
	})
	r.stop(t)
}

// showRefusals logs why somebody was refused, if the test has failed.
func (r *reloading) showRefusals() {
	if !r.t.Failed() {
		return
	}
	for line := range strings.Lines(readFile(r.t, r.path("audit.log"))) {
		if strings.Contains(line, `"sign-in failed"`) || strings.Contains(line, `"load/`) && !strings.Contains(line, `"allowed":true`) {
			r.t.Log(line)
		}
	}
}

// awaitCount waits until the server has logged a message so many times.
func (r *reloading) awaitCount(message string, times int) {
	r.t.Helper()
	r.process.await(r.t, regexp.MustCompile(`(?s)(`+regexp.QuoteMeta(message)+`.*?){`+strconv.Itoa(times)+`}`))
}

// leftBehind counts the goroutines and open files of the server, whose connections that are not in use are closed.
func (r *reloading) leftBehind() (goroutines, files int) {
	r.t.Helper()
	goroutines, err := strconv.Atoi(r.metric("go_goroutines"))
	if err != nil {
		r.t.Fatal(err)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.process.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	return goroutines, len(open)
}

// reloadLoad is clients that push and pull until they are ended.
type reloadLoad struct {
	r      *reloading
	client *http.Client
	stop   context.CancelFunc
	work   sync.WaitGroup
	done   atomic.Int64
}

func newReloadLoad(r *reloading) *reloadLoad {
	ctx, cancel := context.WithCancel(r.t.Context())
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the certificate changes
	l := &reloadLoad{r: r, client: &http.Client{Transport: transport}, stop: cancel}
	for n := range 2 {
		l.work.Go(func() { l.push(ctx, "load/"+strconv.Itoa(n)) }) // ends with ctx
	}
	l.work.Go(func() { l.readMixed(ctx) }) // ends with ctx
	archive := writeTarball(r.t, newImage(r.t), "x:1")
	login := exec.Command(need(r.t, "crane"), "auth", "login", r.address, "--username", "alice", "--password-stdin")
	home := r.t.TempDir()
	login.Env, login.Stdin = append(os.Environ(), "DOCKER_CONFIG="+home), strings.NewReader("correct horse battery")
	runCmd(r.t, login)
	l.work.Go(func() { // ends with ctx
		for i := 0; ctx.Err() == nil; i++ {
			ref := r.address + "/load/crane:" + strconv.Itoa(i)
			out, err := pushArchive(r.t, home, archive, ref)
			if err != nil && strings.Contains(out, " http://") {
				// It waits five seconds for a connection, which a busy computer may not give, and then asks without TLS.
				out, err = pushArchive(r.t, home, archive, ref)
			}
			if err != nil {
				r.t.Errorf("crane push: %v\n%s", err, out)
			}
			l.done.Add(1)
		}
	})
	return l
}

// pushArchive pushes by crane with the credentials of a folder.
func pushArchive(t *testing.T, home, archive, ref string) (string, error) {
	t.Helper()
	push := command(t, "crane", "push", "--insecure", archive, ref)
	push.Env = append(os.Environ(), "DOCKER_CONFIG="+home)
	out, err := push.CombinedOutput()
	return string(out), err
}

// end ends the clients. Each of them must have done something.
func (l *reloadLoad) end() {
	l.r.t.Helper()
	l.stop()
	l.work.Wait()
	l.client.CloseIdleConnections()
	if l.done.Load() < 10 {
		l.r.t.Errorf("%d requests were made beside the reloads", l.done.Load())
	}
}

// push pushes images that it pulls again.
func (l *reloadLoad) push(ctx context.Context, ns string) {
	for i := 0; ctx.Err() == nil; i++ {
		layer := fmt.Appendf(nil, "layer %d of %s", i, ns)
		d := ocitest.DigestOf(string(layer)).String()
		image := ocitest.ImageOf(ocitest.New(oci.MediaTypeImageConfig, string(layer)), ocitest.Layer(string(layer)))
		l.want(http.StatusCreated, http.MethodPost, "/v2/"+ns+"/blobs/uploads/?digest="+d, layer)
		l.want(http.StatusOK, http.MethodGet, "/v2/"+ns+"/blobs/"+d, nil)
		l.want(http.StatusCreated, http.MethodPut, "/v2/"+ns+"/manifests/"+strconv.Itoa(i), []byte(image.Text))
		l.want(http.StatusOK, http.MethodGet, "/v2/"+ns+"/manifests/"+strconv.Itoa(i), nil)
		l.done.Add(1)
	}
}

func (l *reloadLoad) readMixed(ctx context.Context) {
	for ctx.Err() == nil {
		l.want(http.StatusForbidden, http.MethodGet, "/v2/mixed/tags/list", nil)
		l.done.Add(1)
	}
}

// want sends a request, which goes to its end whatever happens.
func (l *reloadLoad) want(status int, method, path string, body []byte) {
	r, err := http.NewRequestWithContext(context.Background(), method, "https://"+l.r.address+path, bytes.NewReader(body))
	if err != nil {
		l.r.t.Error(err)
		return
	}
	r.SetBasicAuth("alice", "correct horse battery")
	if method == http.MethodPut {
		r.Header.Set("Content-Type", oci.MediaTypeImageManifest)
	}
	answer, err := l.client.Do(r)
	if err != nil {
		l.r.t.Errorf("%s %s: %v", method, path, err)
		return
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != status {
		l.r.t.Errorf("%s %s: status %d, want %d; %v %s", method, path, answer.StatusCode, status, err, text)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTheAuditLogIsRotated by a rename and SIGUSR1, as logrotate does it.
func TestTheAuditLogIsRotated(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.log")
	s := serveConfigured(t, "log: {audit: {file: "+file+"}}\npolicy: {default: allow}")
	ask := func(tag string) {
		t.Helper()
		response, err := http.Get(s.url("/v2/a/manifests/" + tag))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	holds := func(file, tag string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), `"reference":"`+tag+`"`)
	}
	ask("before")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	s.process.signal(t, syscall.SIGUSR1)
	eventually(t, "a new file", func() bool {
		ask("after")
		return holds(file, "after")
	})
	if holds(file, "before") || !holds(file+".1", "before") {
		t.Error("the record from before the rotation is not in the file that was moved")
	}
	s.stop(t)
}
