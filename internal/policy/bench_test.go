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
	c := &Chain{Global: p}
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

// BenchmarkDecideKeep is a namespace of 10,000 tags, of which five rules keep few.
func BenchmarkDecideKeep(b *testing.B) {
	k, err := NewCompiler().Keep(Global, rules(
		"top_of_minor(3)", "top_pushed_like('^(.+)-[0-9a-f]{7,40}$', 10)", "semver(image.tag).prerelease != null && image.pushed_at > now() - days(30)",
		"top_pulled(20)", "image.last_pulled_at > now() - days(90)"))
	must(b, err)
	images := make([]Image, 10_000)
	for i := range images {
		images[i] = Image{Tag: fmt.Sprintf("v%d.%d.%d", i%5, i%70, i), PushedAt: int64(i), LastPulledAt: int64(i % 977)}
		if i%2 == 0 {
			images[i].Tag = fmt.Sprintf("branch%d-%07x", i%100, i)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		stay := 0
		for _, d := range decideAll(images, k) {
			if d.Kept {
				stay++
			}
		}
		if stay == 0 || stay > 5000 {
			b.Fatalf("%d stay", stay)
		}
	}
}
