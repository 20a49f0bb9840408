package policy

import (
	"maps"
	"net/netip"
	"os"
	"slices"
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
	d := p.Decide(&q)
	switch {
	case len(d.Failed) > 0:
		return "error"
	case d.Allowed:
		return "true"
	}
	return "false"
}

func TestTheKeepRulesOfOthersKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	names := slices.Sorted(maps.Keys(g.Retention.Images))
	var images []Image
	for _, name := range names {
		i := g.Retention.Images[name]
		images = append(images, Image{Tag: i.Tag, PushedAt: i.PushedAt, LastPulledAt: i.LastPulledAt})
	}
	for _, c := range g.Retention.Rules {
		t.Run(c.Expr, func(t *testing.T) {
			t.Parallel()
			k, err := NewCompiler().Keep(Global, []RuleConfig{{Expr: c.Expr}})
			must(t, err)
			for i, d := range decideAll(images, k) {
				if len(d.Failed) > 0 {
					t.Errorf("%s: %v", names[i], d.Failed[0].Err)
				}
				if want := slices.Contains(c.Holds, names[i]); d.Kept != want || want == slices.Contains(c.Fails, names[i]) {
					t.Errorf("%s: kept %t, want %t", names[i], d.Kept, want)
				}
			}
		})
	}
}
