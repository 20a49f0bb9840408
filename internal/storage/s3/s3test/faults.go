package s3test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage/s3"
)

// Faults is a connection to a service that breaks when a test says so.
type Faults struct {
	t     testing.TB
	proxy string // of toxiproxy's API
}

// Faulty puts toxiproxy before the service of a config.
func Faulty(t testing.TB, cfg s3.Config) (s3.Config, *Faults) {
	t.Helper()
	service, err := url.Parse(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	api := startToxiproxy(t)
	f := &Faults{t: t, proxy: api + "/proxies/s3"}
	var made struct{ Listen string }
	f.ask(http.MethodPost, api+"/proxies", map[string]any{"name": "s3", "listen": "127.0.0.1:0", "upstream": service.Host, "enabled": true}, &made)
	cfg.Endpoint = "http://" + made.Listen
	return cfg, f
}

func startToxiproxy(t testing.TB) (api string) {
	t.Helper()
	path := find(t, "toxiproxy")
	var log string
	for range 5 {
		listen, err := url.Parse("http://" + freeAddress(t))
		if err != nil {
			t.Fatal(err)
		}
		var ready bool
		if ready, log = run(t, exec.Command(path, "-host", listen.Hostname(), "-port", listen.Port()), listen.String()); ready {
			return listen.String()
		}
	}
	t.Fatalf("toxiproxy does not start:\n%s", log)
	return ""
}

// Down refuses connections and ends those that are there.
func (f *Faults) Down() {
	f.t.Helper()
	f.ask(http.MethodPost, f.proxy, map[string]any{"enabled": false}, nil)
}

// Slow makes each answer late.
func (f *Faults) Slow(by time.Duration) {
	f.t.Helper()
	f.add("latency", "downstream", map[string]any{"latency": by.Milliseconds()})
}

// Hang lets nothing through any more, and keeps connections open.
func (f *Faults) Hang() { f.t.Helper(); f.add("timeout", "downstream", map[string]any{"timeout": 0}) }

// Reset ends each connection with a reset.
func (f *Faults) Reset() { f.t.Helper(); f.add("reset_peer", "upstream", map[string]any{"timeout": 0}) }

// CutAnswers ends a connection behind so many bytes from the service.
func (f *Faults) CutAnswers(behind int64) {
	f.t.Helper()
	f.add("limit_data", "downstream", map[string]any{"bytes": behind})
}

// CutRequests ends a connection behind so many bytes to the service.
func (f *Faults) CutRequests(behind int64) {
	f.t.Helper()
	f.add("limit_data", "upstream", map[string]any{"bytes": behind})
}

// Heal ends all of it.
func (f *Faults) Heal() {
	f.t.Helper()
	var toxics []struct{ Name string }
	f.ask(http.MethodGet, f.proxy+"/toxics", nil, &toxics)
	for _, toxic := range toxics {
		f.ask(http.MethodDelete, f.proxy+"/toxics/"+toxic.Name, nil, nil)
	}
	f.ask(http.MethodPost, f.proxy, map[string]any{"enabled": true}, nil)
}

func (f *Faults) add(kind, stream string, attributes map[string]any) {
	f.t.Helper()
	f.ask(http.MethodPost, f.proxy+"/toxics", map[string]any{"type": kind, "stream": stream, "attributes": attributes}, nil)
}

func (f *Faults) ask(method, to string, body, answer any) {
	f.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		f.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(f.t.Context(), method, to, bytes.NewReader(text))
	if err != nil {
		f.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusMultipleChoices {
		f.t.Fatalf("toxiproxy: %s %s: %s: %s", method, to, response.Status, said)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(said, answer); err != nil {
		f.t.Fatal(err)
	}
}
