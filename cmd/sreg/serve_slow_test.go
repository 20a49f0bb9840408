package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// slowClients is how many clients send a byte now and then, half of them over HTTP/2.
	slowClients = 2000
	// slowTime is how long they do when SREG_TEST_SOAK says nothing.
	slowTime = 20 * time.Second
	// mayTake is how much longer beside them everybody else may wait.
	mayTake = 1.5
)

// TestSlowClientsKeepNobodyWaiting lets crane push and pull beside slow clients, and by turns at a server that has none.
func TestSlowClientsKeepNobodyWaiting(t *testing.T) {
	length, ok := soakTime(t, slowTime)
	if !ok {
		return
	}
	quiet, attacked := newSlowServer(t), newSlowServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range slowClients {
		clients.Go(func() { attacked.slowClient(ctx, i) }) // ends with ctx
	}
	defer clients.Wait()
	defer cancel()
	attacked.awaitSlow(t)
	images := writeTarball(t, newImage(t), "x:1")
	var waits, undisturbed []time.Duration
	for n, end := 0, time.Now().Add(length); time.Now().Before(end); n++ {
		undisturbed = append(undisturbed, quiet.pushAndPull(t, images, n)...)
		waits = append(waits, attacked.pushAndPull(t, images, n)...)
	}
	attacked.awaitSlow(t)
	for _, share := range []float64{0.5, 0.9} {
		got, want := quantile(waits, share), quantile(undisturbed, share)
		t.Logf("%.0f %% of %d pushes and pulls took up to %v beside %d slow clients, %v without", 100*share, len(waits), got, slowClients, want)
		if float64(got) > mayTake*float64(want) {
			t.Errorf("%.0f %% took up to %v beside slow clients and %v without, want at most %v times as long", 100*share, got, want, mayTake)
		}
	}
}

func quantile(times []time.Duration, share float64) time.Duration {
	slices.Sort(times)
	return times[min(len(times)-1, int(share*float64(len(times))))]
}

// slowServer answers over plain HTTP and, for HTTP/2, over TLS. Who says so is a proxy.
type slowServer struct {
	*server
	plain, secure *http.Client
	secureURL     string
}

func newSlowServer(t *testing.T) *slowServer {
	t.Helper()
	a, config := newAuthority(t), filepath.Join(t.TempDir(), "sreg.yaml")
	writeFile(t, config, fmt.Sprintf(`server:
  trusted_proxies: [127.0.0.1]
  listeners: [{name: main, address: "127.0.0.1:0"}, {name: secure, address: "127.0.0.1:0", tls: true}]
  tls: {cert_file: %s, key_file: %s}
policy: {default: allow}
auth: {users: [{name: a, password_hash: %q}]}
`, a.cert, a.key, bcryptHash))
	s := &slowServer{server: serve(t, "-c", config), plain: &http.Client{Transport: &http.Transport{}}, secure: a.client(t)}
	s.secureURL = s.process.await(t, regexp.MustCompile(`https://\S+`))[0]
	s.secure.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	t.Cleanup(s.plain.CloseIdleConnections)
	return s
}

// slowClient sends a form, a manifest or an upload, a byte a second, and begins anew when it is dropped.
func (s *slowServer) slowClient(ctx context.Context, i int) {
	client, url := s.plain, "http://"+s.address
	if i%2 == 1 {
		client, url = s.secure, s.secureURL
	}
	kinds := []struct{ method, path, contentType string }{
		{"POST", "/token", "application/x-www-form-urlencoded"},
		{"PUT", "/v2/slow/manifests/1", "application/vnd.oci.image.manifest.v1+json"},
		{"POST", "/v2/slow/blobs/uploads/?digest=sha256:" + strings.Repeat("0", 64), "application/octet-stream"},
	}
	kind := kinds[i/2%len(kinds)]
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, kind.method, url+kind.path, slowBody{ctx})
		if err != nil {
			return
		}
		r.ContentLength = 90_000
		r.Header.Set("Content-Type", kind.contentType)
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.18.%d.%d", i/250, i%250))
		if response, err := client.Do(r); err == nil {
			response.Body.Close()
		}
	}
}

// slowBody has a byte a second.
type slowBody struct{ ctx context.Context }

func (b slowBody) Read(p []byte) (int, error) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		p[0] = 'x'
		return 1, nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

// awaitSlow waits until nearly all slow clients have a request under way: some are just beginning anew.
func (s *slowServer) awaitSlow(t *testing.T) {
	t.Helper()
	within(t, patience, "the slow requests", func() bool { return s.inFlight(t) > slowClients*9/10 })
}

func (s *slowServer) inFlight(t *testing.T) int {
	t.Helper()
	response, err := http.Get("http://" + s.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, value, _ := strings.Cut(string(text), "\nsreg_http_requests_in_flight ")
	value, _, _ = strings.Cut(value, "\n")
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("the metrics have %q requests in flight", value)
	}
	return n
}

// pushAndPull returns how long each took.
func (s *slowServer) pushAndPull(t *testing.T, tarball string, n int) (took []time.Duration) {
	t.Helper()
	reference := fmt.Sprintf("%s/app-%d:1", s.address, n)
	for _, args := range [][]string{{"push", tarball, reference}, {"pull", reference, filepath.Join(t.TempDir(), "pulled.tar")}} {
		begun := time.Now()
		run(t, "crane", args...)
		took = append(took, time.Since(begun))
	}
	return took
}
