package authz

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/webhook"
)

// setup is the part of a config that authorization is made of.
type setup struct {
	global       *policy.Config
	hook         string // of the global policy
	repositories map[string]part
	webhooks     map[string]*webhook.Client
	open         bool
	hide         bool
	logger       *slog.Logger
	audit        *slog.Logger
}

// part is a repository: its policy if it has one, and the webhook that this names. A webhook alone is one
// of a policy that allows.
type part struct {
	policy *policy.Config
	hook   string
}

// rules is a policy that denies what none of the rules allows.
func rules(exprs ...string) *policy.Config { return newRules("deny", exprs) }

// bans is a policy that allows what none of the rules denies.
func bans(exprs ...string) *policy.Config { return newRules("allow", exprs) }

func newRules(standard string, exprs []string) *policy.Config {
	cfg := policy.DefaultConfig()
	cfg.Default = standard
	for _, expr := range exprs {
		cfg.Rules = append(cfg.Rules, policy.RuleConfig{Expr: expr})
	}
	return &cfg
}

func (s setup) build(t testing.TB) *Authorizer {
	t.Helper()
	policies := &policy.Chain{Repositories: oci.Prefixes[*policy.Policy]{}}
	if s.global != nil {
		policies.Global = compile(t, policy.Global, naming(s.hook, s.global))
	}
	for name, p := range s.repositories {
		var repository *policy.Policy
		if p.policy == nil && p.hook != "" {
			p.policy = bans()
		}
		if p.policy != nil {
			repository = compile(t, name, naming(p.hook, p.policy))
		}
		policies.Repositories[parseName(t, name)] = repository
	}
	metrics := NewMetrics(prometheus.NewRegistry())
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	a, err := New(Options{
		Policies: policies, Webhooks: s.webhooks,
		Open: s.open, HideDenied: s.hide, Metrics: metrics, Logger: s.logger, Audit: access.Audit{Logger: s.audit},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// naming is a policy that names a webhook.
func naming(hook string, cfg *policy.Config) policy.Config {
	named := *cfg
	named.Webhook = hook
	return named
}

func compile(t testing.TB, scope string, cfg policy.Config) *policy.Policy {
	t.Helper()
	p, err := policy.NewCompiler().Policy(scope, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parseName(t testing.TB, s string) oci.Name {
	t.Helper()
	name, err := oci.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func parseDigest(t testing.TB, hex string) oci.Digest {
	t.Helper()
	digest, err := oci.ParseDigest("sha256:" + strings.Repeat(hex, 64))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func parseReference(t testing.TB, s string) oci.Reference {
	t.Helper()
	reference, err := oci.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return reference
}

// endpoint answers POST and GET of /NNN with that status, and keeps what it was asked.
type endpoint struct {
	url string

	mu    sync.Mutex
	asked []seen // guarded by mu
}

// seen is one question as it arrived.
type seen struct {
	header http.Header
	body   []byte
}

func newEndpoint(t testing.TB) *endpoint {
	t.Helper()
	e := &endpoint{}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

// ServeHTTP answers with the status in the path.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	status, statusErr := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil || statusErr != nil {
		status = http.StatusTeapot
	}
	e.mu.Lock()
	e.asked = append(e.asked, seen{header: r.Header.Clone(), body: body})
	e.mu.Unlock()
	w.WriteHeader(status)
}

// questions are those that arrived so far.
func (e *endpoint) questions() []seen {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

// hook makes a client that is called name and gets this status.
func (e *endpoint) hook(t testing.TB, name string, status int, change func(*webhook.Config)) *webhook.Client {
	t.Helper()
	cfg := webhook.DefaultConfig()
	cfg.Name, cfg.URL, cfg.CacheTTL = name, e.url+"/"+strconv.Itoa(status), 0
	// The machine of a test may be slow; what is about time-outs sets its own.
	cfg.Timeout = 30 * time.Second
	if change != nil {
		change(&cfg)
	}
	return newHook(t, cfg)
}

func newHook(t testing.TB, cfg webhook.Config) *webhook.Client {
	t.Helper()
	metrics := webhook.NewMetrics(prometheus.NewRegistry())
	c, err := webhook.New(cfg, metrics, memory.New(bytesize.MiB))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func alice() access.Identity {
	return access.Identity{ID: "alice", Username: "alice", Groups: []string{"dev"}, ClientIP: netip.MustParseAddr("10.0.3.4")}
}

// asks is a question of alice's about a namespace, which may be empty.
func asks(t testing.TB, action access.Action, ns string) access.Question {
	t.Helper()
	q := access.Question{Identity: alice(), Request: access.Request{Action: action, Method: http.MethodGet}}
	if ns != "" {
		q.Request.Namespace = parseName(t, ns)
	}
	return q
}

// records reads the log lines of a JSON logger.
func records(t testing.TB, from *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range bytes.Lines(from.Bytes()) {
		var record map[string]any
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatal(err)
		}
		all = append(all, record)
	}
	return all
}
