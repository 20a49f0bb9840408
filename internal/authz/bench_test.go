package authz

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/webhook"
)

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
			a.policies = &policy.Chain{Repositories: policies}
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
		if !a.MayList(b.Context(), &q, entry) {
			b.Fatal("got no, want yes")
		}
	}
}
