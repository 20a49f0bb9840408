package main_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
)

const (
	randomClients = 8
	randomTime    = 20 * time.Second // when SREG_TEST_SOAK says nothing
)

// TestRandomRequestsLeaveNothingBehind sends requests at random, and bytes that are none, to the program: no answer is a
// 5xx but 503, nothing panics, and what the program had taken meanwhile it gives back.
func TestRandomRequestsLeaveNothingBehind(t *testing.T) {
	length, ok := soakTime(t, randomTime)
	if !ok {
		return
	}
	s := serveConfigured(t, "storage: {min_free: 0}\nregistry: {upload_ttl: 1m}")
	r := &randomRequests{server: s, t: t}
	r.run(2 * time.Second) // caches fill
	before := r.rest(t, usage{})
	r.run(length)
	after := r.rest(t, before)
	t.Logf("%d requests; before %+v, after %+v", r.count.Load(), before, after)
	if out := s.process.output(); strings.Contains(out, "panic") {
		t.Errorf("it panicked:\n%s", out)
	}
	s.stop(t)
	checkStore(t, s.dir)
}

// soakTime is for how long a slow test runs, if it does.
func soakTime(t *testing.T, usual time.Duration) (length time.Duration, ok bool) {
	t.Helper()
	soak := os.Getenv("SREG_TEST_SOAK")
	if soak == "" {
		if !all() {
			t.Log("runs with make test-all and make soak")
		}
		return usual, all()
	}
	length, err := time.ParseDuration(soak)
	if err != nil {
		t.Fatalf("SREG_TEST_SOAK: %v", err)
	}
	return length, true
}

// randomRequests are sent by several clients at once.
type randomRequests struct {
	*server
	t     *testing.T
	count atomic.Int64
}

// run sends requests for a time, and closes all connections.
func (r *randomRequests) run(length time.Duration) {
	end := time.Now().Add(length)
	var clients sync.WaitGroup
	for range randomClients {
		clients.Go(func() { // ends with the time
			client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			defer client.CloseIdleConnections()
			for time.Now().Before(end) && !r.t.Failed() {
				script := make([]byte, 600)
				for i := range script {
					script[i] = byte(rand.N(256))
				}
				r.send(client, script)
				r.babble(script)
			}
		})
	}
	clients.Wait()
}

// send sends the requests of one script.
func (r *randomRequests) send(client *http.Client, script []byte) {
	surface := httpapitest.Surface{Script: script}
	for d, ok := surface.Next(); ok; d, ok = surface.Next() {
		path, query, _ := strings.Cut(d.Path, "?")
		request := &http.Request{
			Method: d.Method, URL: &url.URL{Scheme: "http", Host: r.address, Path: path, RawQuery: query}, Header: d.Header,
			Body: io.NopCloser(strings.NewReader(d.Body)), ContentLength: int64(len(d.Body)),
		}
		if d.Chunked {
			request.ContentLength = -1
		}
		response, err := client.Do(request.WithContext(r.t.Context()))
		if err != nil {
			r.t.Errorf("%s: %v", d, err)
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		r.count.Add(1)
		if response.StatusCode >= http.StatusInternalServerError && response.StatusCode != http.StatusServiceUnavailable {
			r.t.Errorf("%s: %s", d, response.Status)
		}
		surface.Answered(d, response.StatusCode, response.Header.Get("Location"))
	}
}

// babble sends bytes that are no request, or the begin of one, and goes away in the middle of the answer.
func (r *randomRequests) babble(script []byte) {
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		r.t.Errorf("connect: %v", err)
		return
	}
	defer conn.Close()
	begins := []string{"", "GET /v2/", "PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}
	_, err = fmt.Fprintf(conn, "%s%s", begins[rand.N(len(begins))], script)
	if err == nil && rand.N(2) == 0 {
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

// usage is what the program has in use.
type usage struct{ Goroutines, Files, Memory int }

// rest waits until the program has no more in use than before, but for what a busy machine explains.
func (r *randomRequests) rest(t *testing.T, before usage) (now usage) {
	t.Helper()
	within(t, 2*time.Minute, "rest", func() bool {
		now = r.usage(t)
		switch before {
		case usage{}:
			return now.Goroutines < 100
		default:
			return now.Goroutines <= before.Goroutines+10 && now.Files <= before.Files+lockFiles && now.Memory <= before.Memory+64<<20
		}
	})
	return now
}

// lockFiles is how many files that are locked a store opens, when it needs them first.
const lockFiles = 64

var usageLine = regexp.MustCompile(`^(go_goroutines|process_open_fds|process_resident_memory_bytes) (\S+)$`)

func (r *randomRequests) usage(t *testing.T) (u usage) {
	t.Helper()
	response, err := http.Get(r.url("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		match := usageLine.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		value, err := strconv.ParseFloat(match[2], 64)
		if err != nil {
			t.Fatalf("metric %s: %v", lines.Text(), err)
		}
		switch match[1] {
		case "go_goroutines":
			u.Goroutines = int(value)
		case "process_open_fds":
			u.Files = int(value)
		default:
			u.Memory = int(value)
		}
	}
	return u
}
