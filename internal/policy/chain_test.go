package policy

import (
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

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

func TestAChain(t *testing.T) {
	t.Parallel()
	yes, no := Config{Default: "allow"}, Config{Default: "deny"}
	covered := Config{Default: "deny", Rules: rules("has_repository_policy()")}
	type policies map[string]*Config // by repository; "" is the global one
	cases := []struct {
		name      string
		policies  policies
		namespace string
		want      string
	}{
		{"without any policy denies", nil, "hub/a", "false none"},
		{"with the global one alone asks that", policies{"": &yes}, "hub/a", "true global"},
		{"with a repository's alone asks that", policies{"hub": &yes}, "hub/a", "true repository hub"},
		{"denies what no policy covers", policies{"hub": &yes}, "other", "false none"},
		{"asks both, and the last decides", policies{"": &yes, "hub": &yes}, "hub/a", "true repository hub"},
		{"stops at the global denial", policies{"": &no, "hub": &yes}, "hub/a", "false global"},
		{"denies if the repository does", policies{"": &yes, "hub": &no}, "hub/a", "false repository hub"},
		{"takes the longest prefix", policies{"hub": &no, "hub/a": &yes}, "hub/a/b", "true repository hub/a"},
		{"takes whole words as prefix", policies{"hub": &yes, "": &no}, "hubble", "false global"},
		{"covers the repository's own name", policies{"hub": &yes}, "hub", "true repository hub"},
		{"asks no policy of the prefix above a repository without one", policies{"": &yes, "hub": &no, "hub/a": nil}, "hub/a/b", "true global"},
		{"denies in a repository without one if there is no global one", policies{"hub": &yes, "hub/a": nil}, "hub/a/b", "false none"},
		{"knows that a repository's policy covers", policies{"": &covered, "hub": &yes}, "hub/a", "true repository hub"},
		{"knows that none does", policies{"": &covered, "hub": &yes}, "other", "false global"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := &Chain{Repositories: oci.Prefixes[*Policy]{}}
			for name, cfg := range tc.policies {
				var p *Policy
				if cfg != nil {
					p = compile(t, name, *cfg)
				}
				if name == "" {
					p.Scope, c.Global = Global, p
					continue
				}
				c.Repositories[parse(t, oci.ParseName, name)] = p
			}
			v := c.Decide(pull(t, "alice", tc.namespace))
			got := fmt.Sprintf("%t %s", v.Allowed, v.Last().Stage)
			if v.Last().Stage == access.StageRepository {
				got += " " + v.Last().Scope
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
