package authz

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/webhook"
)

const (
	signedIn = "identity.username != null"
	pulls    = "request.action in ['get-manifest', 'get-blob', 'list-tags']"
)

func TestTheWholeChain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		setup
		action    access.Action
		namespace string
		anonymous bool
		want      string // decision, stage and rule
	}{
		// Without policies.
		{name: "no policy anywhere denies", want: "denied none"},
		{name: "no policy on this computer alone allows", setup: setup{open: true}, want: "allowed none"},
		{name: "open means nothing once there is a global policy", setup: setup{open: true, global: rules()}, want: "denied global"},
		{name: "open means nothing once a repository has a policy", setup: setup{open: true, repositories: map[string]part{"hub": {policy: rules(signedIn)}}}, want: "denied none"},
		{name: "a request without an action is denied even when open", setup: setup{open: true}, action: "-", want: "denied none"},

		// The global policy.
		{name: "a rule that is true allows by default deny", setup: setup{global: rules("false", signedIn)}, want: "allowed global global/2"},
		{name: "no rule that is true denies by default deny", setup: setup{global: rules("false")}, want: "denied global"},
		{name: "a rule that is true denies by default allow", setup: setup{global: bans(signedIn)}, want: "denied global global/1"},
		{name: "no rule that is true allows by default allow", setup: setup{global: bans("false")}, want: "allowed global"},
		{name: "a rule that fails is skipped", setup: setup{global: rules("identity.oidc.claims['x'] == 'y'", signedIn)}, want: "allowed global global/2"},
		{name: "a rule that fails denies where the policy says so", setup: setup{global: onErrorDeny("identity.oidc.claims['x'] == 'y'", signedIn)}, want: "denied global global/1"},
		{name: "a request without a namespace asks the global policy alone", setup: setup{global: rules(signedIn), repositories: map[string]part{"team": {policy: rules()}}}, action: access.ListCatalog, namespace: "-", want: "allowed global global/1"},

		// The repository's.
		{name: "the repository denies what the global policy allows", setup: setup{global: rules(signedIn), repositories: map[string]part{"team": {policy: rules("false")}}}, want: "denied repository"},
		{name: "the global policy denies what the repository allows", setup: setup{global: rules("false"), repositories: map[string]part{"team": {policy: rules(signedIn)}}}, want: "denied global"},
		{name: "both allow", setup: setup{global: rules(signedIn), repositories: map[string]part{"team": {policy: rules(pulls)}}}, want: "allowed repository team/1"},
		{name: "an absent global policy passes", setup: setup{repositories: map[string]part{"team": {policy: rules(signedIn)}}}, want: "allowed repository team/1"},
		{name: "an absent repository policy passes", setup: setup{global: rules(signedIn), repositories: map[string]part{"team": {}}}, want: "allowed global global/1"},
		{name: "a policy elsewhere is none here", setup: setup{repositories: map[string]part{"hub": {policy: rules(signedIn)}}}, want: "denied none"},
		{name: "the longest prefix decides", setup: setup{repositories: map[string]part{"team": {policy: rules("false")}, "team/app": {policy: rules(signedIn)}}}, want: "allowed repository team/app/1"},
		{name: "a prefix ends at a slash", setup: setup{repositories: map[string]part{"tea": {policy: rules(signedIn)}, "team/ap": {policy: rules(signedIn)}}}, want: "denied none"},

		// The webhook.
		{name: "the webhook denies what the policies allow", setup: setup{global: rules(signedIn), hook: "no"}, want: "denied webhook no"},
		{name: "the webhook allows, too", setup: setup{global: rules(signedIn), hook: "yes"}, want: "allowed webhook yes"},
		{name: "the webhook cannot allow what the policies deny", setup: setup{global: rules("false"), hook: "yes"}, want: "denied global"},
		{name: "no policy is not made good by a webhook", setup: setup{repositories: map[string]part{"hub": {hook: "yes"}}}, want: "denied none"},
		{name: "a webhook that fails denies", setup: setup{global: rules(signedIn), hook: "broken"}, want: "denied webhook broken"},
		{name: "a webhook that redirects denies", setup: setup{global: rules(signedIn), hook: "moved"}, want: "denied webhook moved"},
		{name: "a webhook that is not there denies", setup: setup{global: rules(signedIn), hook: "gone"}, want: "denied webhook gone"},
		{name: "the repository's webhook stands in for the global one", setup: setup{global: rules(signedIn), hook: "no", repositories: map[string]part{"team": {hook: "yes"}}}, want: "allowed webhook yes"},
		{name: "and denies in its place", setup: setup{global: rules(signedIn), hook: "yes", repositories: map[string]part{"team": {hook: "no"}}}, want: "denied webhook no"},
		{name: "none means none", setup: setup{global: rules(signedIn), hook: "no", repositories: map[string]part{"team": {hook: "none"}}}, want: "allowed repository"},
		{name: "a repository that names none keeps the global one", setup: setup{global: rules(signedIn), hook: "no", repositories: map[string]part{"team": {policy: rules(signedIn)}}}, want: "denied webhook no"},
		{name: "a repository's webhook is not asked elsewhere", setup: setup{global: rules(signedIn), repositories: map[string]part{"hub": {hook: "no"}}}, want: "allowed global global/1"},
		{name: "the webhook of the longest prefix", setup: setup{global: rules(signedIn), repositories: map[string]part{"team": {hook: "no"}, "team/app": {hook: "yes"}}}, want: "allowed webhook yes"},
		{name: "the global webhook decides about what has no namespace", setup: setup{global: rules(signedIn), hook: "no", repositories: map[string]part{"team": {hook: "yes"}}}, action: access.ListCatalog, namespace: "-", want: "denied webhook no"},
		{name: "the global webhook may be none", setup: setup{global: rules(signedIn), hook: "none"}, want: "allowed global global/1"},

		// Nobody in particular.
		{name: "anonymous is a person like any other", setup: setup{global: rules(pulls)}, anonymous: true, want: "allowed global global/1"},
		{name: "anonymous may sign in", setup: setup{global: rules(signedIn)}, anonymous: true, want: "denied global"},
	}
	e := newEndpoint(t)
	gone := newEndpointThatIsGone(t)
	webhooks := map[string]*webhook.Client{
		"yes": e.hook(t, "yes", 204, nil), "no": e.hook(t, "no", 403, nil), "broken": e.hook(t, "broken", 500, nil),
		"moved": e.hook(t, "moved", 302, nil), "gone": gone,
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.webhooks = webhooks
			a := tt.build(t)
			q := asks(t, access.GetManifest, "team/app/web")
			if tt.action != "" {
				q.Request.Action = access.Action(strings.TrimPrefix(string(tt.action), "-"))
			}
			if tt.namespace == "-" {
				q.Request.Namespace = asks(t, "", "").Request.Namespace
			}
			if tt.anonymous {
				q.Identity = access.Identity{}
			}
			if got := told(a.Authorize(t.Context(), &q)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func onErrorDeny(exprs ...string) *policy.Config {
	cfg := rules(exprs...)
	cfg.OnError = "deny"
	return cfg
}

func newEndpointThatIsGone(t *testing.T) *webhook.Client {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	cfg := webhook.DefaultConfig()
	cfg.Name, cfg.URL = "gone", server.URL
	return newHook(t, cfg)
}

// told is a decision in one line.
func told(d access.Decision) string {
	return strings.TrimSpace(result(d.Allowed) + " " + string(d.Stage) + " " + d.Rule)
}

// TestWhatIsNeverAsked reads the actions from their source, so that a new one is asked unless somebody
// says here that it is not.
func TestWhatIsNeverAsked(t *testing.T) {
	t.Parallel()
	never := []access.Action{
		access.GetAPIVersion, access.GetToken, access.GetSelf, access.Healthz, access.Readyz,
		access.Root, access.ACMEChallenge, access.UIAsset, access.UISignIn,
	}
	onAdmin := []access.Action{access.Metrics, access.Pprof}
	a := setup{global: rules()}.build(t)
	for _, action := range allActions(t) {
		q := access.Question{Request: access.Request{Action: action}}
		if got, want := a.Authorize(t.Context(), &q).Allowed, slices.Contains(never, action); got != want {
			t.Errorf("%s, without any right: got allowed %v, want %v", action, got, want)
		}
		q.Transport.Admin = true
		want := slices.Contains(never, action) || slices.Contains(onAdmin, action)
		if got := a.Authorize(t.Context(), &q).Allowed; got != want {
			t.Errorf("%s on an admin listener, without any right: got allowed %v, want %v", action, got, want)
		}
	}
}

func allActions(t *testing.T) []access.Action {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../access/action.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var actions []access.Action
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		actions = append(actions, access.Action(text))
		return true
	})
	if len(actions) < 30 {
		t.Fatalf("found %d actions, want all of them", len(actions))
	}
	return actions
}

func TestMetricsElsewhereAreAsked(t *testing.T) {
	t.Parallel()
	a := setup{global: rules("request.action == 'metrics' && 'ops' in identity.groups")}.build(t)
	q := asks(t, access.Metrics, "")
	if a.Authorize(t.Context(), &q).Allowed {
		t.Error("alice reads metrics, want ops alone")
	}
	q.Identity.Groups = []string{"ops"}
	if !a.Authorize(t.Context(), &q).Allowed {
		t.Error("ops does not read metrics, want it")
	}
}

func TestHowADenialIsTold(t *testing.T) {
	t.Parallel()
	certificate := access.Identity{Certificate: access.Certificate{Fingerprint: "ab"}}
	tests := []struct {
		name     string
		hide     bool
		identity access.Identity
		want     access.Denial
	}{
		{"who has not signed in is asked to", false, access.Identity{}, access.Unauthenticated},
		{"also where denials are hidden: else nobody could sign in", true, access.Identity{}, access.Unauthenticated},
		{"who has signed in is told", false, alice(), access.Forbidden},
		{"who has shown a certificate is told", false, certificate, access.Forbidden},
		{"or sees nothing", true, alice(), access.Hidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for stage, s := range map[string]setup{"none": {}, "global": {global: rules()}} {
				s.hide = tt.hide
				q := asks(t, access.GetManifest, "team")
				q.Identity = tt.identity
				if got := s.build(t).Authorize(t.Context(), &q); got.Allowed || got.Denial != tt.want {
					t.Errorf("stage %s: got denial %d, want %d", stage, got.Denial, tt.want)
				}
			}
		})
	}
	q := asks(t, access.GetManifest, "team")
	if got := (setup{global: bans(), hide: true}).build(t).Authorize(t.Context(), &q); got.Denial != access.NotDenied {
		t.Errorf("who may: got denial %d, want none", got.Denial)
	}
}

func TestNewRefusesAWebhookThatDoesNotExist(t *testing.T) {
	t.Parallel()
	nosuch := compile(t, policy.Global, naming("nosuch", bans()))
	for name, chain := range map[string]*policy.Chain{
		"global":     {Global: nosuch},
		"repository": {Repositories: oci.Prefixes[*policy.Policy]{parseName(t, "team"): nosuch}},
	} {
		_, err := New(Options{Policies: chain, Logger: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), `there is no webhook "nosuch"`) {
			t.Errorf("%s: got %v, want the name that is unknown", name, err)
		}
	}
}

// twenty is a global policy and a repository's of ten rules each, all of which are evaluated.
func twenty() setup {
	var global, own []string
	for i := range 9 {
		global = append(global, fmt.Sprintf("identity.username == 'user-%d' && request.action in ['get-manifest', 'get-blob']", i))
		own = append(own, fmt.Sprintf("request.namespace.startsWith('team/%d/') && 'group-%d' in identity.groups", i, i))
	}
	return setup{
		global:       rules(append(global, "identity.username != null && request.action.startsWith('get-')")...),
		repositories: map[string]part{"team": {policy: rules(append(own, "'dev' in identity.groups")...)}},
	}
}

func BenchmarkAuthorize(b *testing.B) {
	e := newEndpoint(b)
	hook := e.hook(b, "guard", 200, func(c *webhook.Config) { c.CacheTTL = longest })
	withHook := twenty()
	withHook.hook, withHook.webhooks = "guard", map[string]*webhook.Client{"guard": hook}
	withAudit := twenty()
	withAudit.audit = slog.New(slog.NewJSONHandler(&lockedWriter{}, nil))
	for name, s := range map[string]setup{
		"open":                             {open: true},
		"one rule":                         {global: rules(signedIn)},
		"20 rules":                         twenty(),
		"20 rules and an audit log":        withAudit,
		"20 rules and a remembered answer": withHook,
	} {
		b.Run(name, func(b *testing.B) {
			a := s.build(b)
			q := asks(b, access.GetManifest, "team/app/web")
			if d := a.Authorize(b.Context(), &q); !d.Allowed {
				b.Fatal(told(d))
			}
			b.ReportAllocs()
			for b.Loop() {
				a.Authorize(b.Context(), &q)
			}
		})
	}
}

// BenchmarkRepositories shows that the cost of a decision does not grow with the number of
// repositories.
func BenchmarkRepositories(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			shared := compile(b, "shared", *rules(signedIn))
			s := setup{repositories: map[string]part{}}
			policies := oci.Prefixes[*policy.Policy]{}
			for i := range n {
				name := fmt.Sprintf("team-%d", i)
				s.repositories[name] = part{}
				policies[parseName(b, name)] = shared
			}
			a := s.build(b)
			a.Policies = &policy.Chain{Repositories: policies}
			q := asks(b, access.GetManifest, "team-0/app/web")
			if d := a.Authorize(b.Context(), &q); !d.Allowed {
				b.Fatal(told(d))
			}
			b.ReportAllocs()
			for b.Loop() {
				a.Authorize(b.Context(), &q)
			}
		})
	}
}

func BenchmarkMayList(b *testing.B) {
	s := twenty()
	s.global = rules(signedIn)
	a := s.build(b)
	q, entry := asks(b, access.ListCatalog, ""), parseName(b, "team/app/web")
	b.ReportAllocs()
	for b.Loop() {
		if !a.mayList(b.Context(), &q, entry) {
			b.Fatal("got no, want yes")
		}
	}
}

func TestManyAskAtOnce(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	hook := e.hook(t, "guard", 200, func(c *webhook.Config) { c.CacheTTL = longest })
	a := setup{
		global: rules("identity.oidc.claims['x'] == 'y'", "identity.username == 'alice'"), hook: "guard",
		repositories: map[string]part{"team": {policy: rules("request.namespace == 'team/a'")}},
		webhooks:     map[string]*webhook.Client{"guard": hook}, audit: slog.New(slog.NewJSONHandler(&lockedWriter{}, nil)),
	}.build(t)
	var waiting sync.WaitGroup
	for i := range 16 {
		waiting.Go(func() {
			for j := range 100 {
				q := asks(t, access.GetManifest, []string{"team/a", "team/b"}[j%2])
				want := j%2 == 0 && i%2 == 0
				if i%2 == 1 {
					q.Identity.Username = "bob"
				}
				if got := a.Authorize(context.Background(), &q); got.Allowed != want {
					t.Errorf("%s in %s: got %q, want allowed %v", q.Identity.Username, q.Request.Namespace, told(got), want)
				}
			}
		})
	}
	waiting.Wait()
}

// lockedWriter takes everything.
type lockedWriter struct{ mu sync.Mutex }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(p), nil
}
