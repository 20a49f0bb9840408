package policy

import (
	"fmt"
	"testing"
)

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
			asked := newAsked(&q)
			b.ReportAllocs()
			for b.Loop() {
				if p.decide(asked).Allowed {
					b.Fatal("allowed")
				}
			}
		})
	}
}

// BenchmarkDecide is a whole decision: 20 rules, none of them true, and the words made anew.
func BenchmarkDecide(b *testing.B) {
	var list []string
	for i := range 20 {
		list = append(list, fmt.Sprintf("identity.username == 'user%d' && request.namespace.startsWith('team%d/')", i, i))
	}
	p := compile(b, Global, Config{Default: "deny", Rules: rules(list...)})
	c := NewChain(p, nil)
	q := pull(b, "alice", "team/app")
	b.ReportAllocs()
	for b.Loop() {
		if c.Decide(q).Allowed {
			b.Fatal("allowed")
		}
	}
}

// BenchmarkCompile is a policy of as many rules as are taken.
func BenchmarkCompile(b *testing.B) {
	var list []string
	for i := range maxRules {
		list = append(list, fmt.Sprintf("identity.username == 'user%d' && request.namespace.startsWith('team%d/')", i, i))
	}
	b.ReportAllocs()
	for b.Loop() {
		compile(b, Global, Config{Default: "deny", Rules: rules(list...)})
	}
}
