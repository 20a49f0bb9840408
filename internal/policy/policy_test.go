package policy

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

// goldenNow is the time that the file takes for granted.
const goldenNow = 1790000000

// golden is testdata/policy/expressions.yaml: the expressions that must keep their meaning.
type golden struct {
	Identities map[string]struct {
		ID          string
		Username    string
		ClientIP    string `yaml:"client_ip"`
		Certificate struct {
			CommonNames   []string `yaml:"common_names"`
			Organizations []string
		}
		OIDC *struct {
			ProviderName string `yaml:"provider_name"`
			Claims       map[string]any
		}
	}
	Access []struct {
		Expr                string
		Holds, Fails, Error []string
		As                  string
		Request             struct {
			Action, Namespace, Reference, Digest, From string
			Tags                                       []string
			N                                          *int
		}
		Result  any
		Compile *bool
	}
	Retention struct {
		Images map[string]struct {
			Tag          string
			PushedAt     int64 `yaml:"pushed_at"`
			LastPulledAt int64 `yaml:"last_pulled_at"`
		}
		Rules []struct {
			Expr         string
			Holds, Fails []string
		}
	}
}

func readGolden(t testing.TB) golden {
	t.Helper()
	content, err := os.ReadFile("../../testdata/policy/expressions.yaml")
	must(t, err)
	var g golden
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	decoder.KnownFields(true)
	must(t, decoder.Decode(&g))
	if len(g.Access) < 30 || len(g.Retention.Rules) < 8 {
		t.Fatalf("got %d and %d expressions, want all", len(g.Access), len(g.Retention.Rules))
	}
	return g
}

func unix(seconds int64) time.Time { return time.Unix(seconds, 0) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (g golden) identity(name string) access.Identity {
	from := g.Identities[name]
	i := access.Identity{ID: from.ID, Username: from.Username}
	if from.ClientIP != "" {
		i.ClientIP = netip.MustParseAddr(from.ClientIP)
	}
	i.Certificate.CommonNames, i.Certificate.Organizations = from.Certificate.CommonNames, from.Certificate.Organizations
	if from.OIDC != nil {
		i.OIDC = &access.OIDC{Provider: from.OIDC.ProviderName, Claims: from.OIDC.Claims}
	}
	return i
}

func parse[T any](t testing.TB, parser func(string) (T, error), text string) (v T) {
	t.Helper()
	if text == "" {
		return v
	}
	v, err := parser(text)
	must(t, err)
	return v
}

func TestTheExpressionsOfOthersKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	for _, c := range g.Access {
		t.Run(c.Expr, func(t *testing.T) {
			t.Parallel()
			p, err := NewCompiler().Policy(Global, Config{Default: "deny", Rules: []RuleConfig{{Expr: c.Expr}}})
			if c.Compile != nil && !*c.Compile {
				if err == nil {
					t.Error("compiles, want that it does not")
				}
				return
			}
			must(t, err)
			var r access.Request
			r.Action = access.Action(c.Request.Action)
			r.Namespace = parse(t, oci.ParseName, c.Request.Namespace)
			r.From = parse(t, oci.ParseName, c.Request.From)
			r.Reference = parse(t, oci.ParseReference, c.Request.Reference)
			if _, short, ok := strings.Cut(c.Request.Digest, ":"); ok { // the file writes them short
				r.Digest = parse(t, oci.ParseDigest, "sha256:"+short+strings.Repeat("0", 64-len(short)))
			}
			for _, tag := range c.Request.Tags {
				r.Tags = append(r.Tags, parse(t, oci.ParseTag, tag))
			}
			if c.Request.N != nil {
				r.N, r.HasN = *c.Request.N, true
			}
			want := func(name, want string, repositoryPolicy bool) {
				t.Helper()
				if got := outcome(p, Question{Identity: g.identity(name), Request: r, RepositoryPolicy: repositoryPolicy}); got != want {
					t.Errorf("for %s got %s, want %s", name, got, want)
				}
			}
			asked := 0
			for result, names := range map[string][]string{"true": c.Holds, "false": c.Fails, "error": c.Error} {
				for _, name := range names {
					want(name, result, false)
					asked++
				}
			}
			switch result := c.Result.(type) {
			case bool:
				want(c.As, map[bool]string{true: "true", false: "false"}[result], false)
			case string: // depends on the config
				want(c.As, "true", true)
				want(c.As, "false", false)
			default:
				if asked == 0 {
					t.Error("nothing is asked")
				}
			}
		})
	}
}

func outcome(p *Policy, q Question) string {
	d := p.decide(newActivation(&q))
	switch {
	case len(d.Failed) > 0:
		return "error"
	case d.Allowed:
		return "true"
	}
	return "false"
}

func rules(exprs ...string) []RuleConfig {
	var list []RuleConfig
	for _, e := range exprs {
		list = append(list, RuleConfig{Expr: e})
	}
	return list
}

func compile(t testing.TB, scope string, cfg Config) *Policy {
	t.Helper()
	p, err := NewCompiler().Policy(scope, cfg)
	must(t, err)
	return p
}

func pull(t testing.TB, username, namespace string) Question {
	t.Helper()
	return Question{
		Identity: access.Identity{ID: username, Username: username, Groups: []string{"dev", "ops"}, ClientIP: netip.MustParseAddr("::ffff:10.1.2.3")},
		Request: access.Request{
			Action: access.GetManifest, Namespace: parse(t, oci.ParseName, namespace), Reference: parse(t, oci.ParseReference, "v1"),
		},
	}
}

func TestWhatAPolicyDecides(t *testing.T) {
	t.Parallel()
	const fails = "identity.oidc.claims['a'] == 'b'"
	const tooCostly = "identity.groups.all(a, identity.groups.all(b, identity.groups.all(c, identity.groups.all(d, a != 'x'))))"
	const tooLarge = "'x'.matches('(' + identity.groups[0] + 'and more than one){1000}')"
	const tooDeep = "'x'.matches(identity.groups[30])"
	const alice, bob = "identity.username == 'alice'", "identity.username == 'bob'"
	cases := []struct {
		name   string
		config Config
		want   string
	}{
		{"deny without a rule denies", Config{Default: "deny"}, "false "},
		{"allow without a rule allows", Config{Default: "allow"}, "true "},
		{"a true rule allows under deny", Config{Default: "deny", Rules: rules(bob, alice)}, "true hub/2"},
		{"a true rule denies under allow", Config{Default: "allow", Rules: rules(bob, alice)}, "false hub/2"},
		{"the first true rule decides", Config{Default: "deny", Rules: []RuleConfig{{Name: "first", Expr: alice}, {Expr: alice}}}, "true first"},
		{"a false rule decides nothing", Config{Default: "allow", Rules: rules(bob)}, "true "},
		{"a rule that fails is skipped", Config{Default: "deny", OnError: "skip", Rules: rules(fails, alice)}, "true hub/2 after hub/1"},
		{"a rule that fails is skipped under allow, too", Config{Default: "allow", OnError: "skip", Rules: rules(fails)}, "true  after hub/1"},
		{"a rule that fails denies if that was said", Config{Default: "deny", OnError: "deny", Rules: rules(fails, alice)}, "false hub/1 after hub/1"},
		{"a rule that fails denies if that was said under allow, too", Config{Default: "allow", OnError: "deny", Rules: rules(fails)}, "false hub/1 after hub/1"},
		{"a rule that fails is skipped if nothing was said", Config{Default: "deny", Rules: rules(fails, alice)}, "true hub/2 after hub/1"},
		{"a rule that fails denies under allow if nothing was said", Config{Default: "allow", Rules: rules(fails)}, "false hub/1 after hub/1"},
		{"a rule that costs too much denies", Config{Default: "deny", OnError: "skip", Rules: rules(tooCostly, alice)}, "false hub/1 after hub/1"},
		{"a rule that costs too much denies under allow, too", Config{Default: "allow", OnError: "skip", Rules: rules(tooCostly)}, "false hub/1 after hub/1"},
		{"a rule whose pattern is too large denies", Config{Default: "allow", OnError: "skip", Rules: rules(tooLarge)}, "false hub/1 after hub/1"},
		{"a rule whose pattern is too deep denies", Config{Default: "allow", OnError: "skip", Rules: rules(tooDeep)}, "false hub/1 after hub/1"},
		{"a rule whose pattern is malformed is skipped", Config{Default: "allow", OnError: "skip", Rules: rules("'x'.matches(identity.groups[0] + '(')")}, "true  after hub/1"},
		{"a rule behind the one that decides is not asked", Config{Default: "deny", OnError: "deny", Rules: rules(alice, fails)}, "true hub/1"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			q := pull(t, "alice", "team/app")
			for i := range 28 {
				q.Identity.Groups = append(q.Identity.Groups, fmt.Sprint("group", i))
			}
			q.Identity.Groups = append(q.Identity.Groups, strings.Repeat("(", 2000)+strings.Repeat(")", 2000))
			d := compile(t, "hub", tc.config).decide(newActivation(&q))
			got := fmt.Sprintf("%t %s", d.Allowed, d.Rule)
			for _, f := range d.Failed {
				got += " after " + f.Rule
			}
			if got != tc.want {
				t.Errorf("got %q, want %q; failed %v", got, tc.want, d.Failed)
			}
		})
	}
}

func TestAPolicyIsAskedByManyAtOnce(t *testing.T) {
	t.Parallel()
	p := compile(t, Global, Config{Default: "deny", Rules: rules("identity.groups.exists(g, g == 'ops') && request.namespace.glob('team/*')")})
	done := make(chan bool)
	for range 8 {
		go func() { // ends after its questions
			ok := true
			for range 100 {
				q := pull(t, "alice", "team/app")
				ok = ok && p.decide(newActivation(&q)).Allowed
			}
			done <- ok
		}()
	}
	for range 8 {
		if !<-done {
			t.Error("denied, want allowed")
		}
	}
}

// BenchmarkRule is one evaluation of one rule, with the words made before.
func BenchmarkRule(b *testing.B) {
	for _, c := range []struct{ name, expr string }{
		{"user", "identity.username == 'bob'"},
		{"list", "request.action in ['get-blob', 'get-report'] && identity.username != null"},
		{"group", "'none' in identity.groups"},
		{"glob", "request.namespace.glob('team/*/x')"},
		{"regexp", "request.namespace.matches('^team/[0-9]+$')"},
		{"cidr", "identity.client_ip.in_cidr('192.0.2.0/24')"},
		{"loop", "identity.groups.exists(g, g.startsWith('x'))"},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := compile(b, Global, Config{Default: "deny", Rules: rules(c.expr)})
			q := pull(b, "alice", "team/app")
			words := newActivation(&q)
			b.ReportAllocs()
			for b.Loop() {
				if p.decide(words).Allowed {
					b.Fatal("allowed")
				}
			}
		})
	}
}
