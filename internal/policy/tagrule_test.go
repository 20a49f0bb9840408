package policy

import "testing"

func TestARuleThatComparesTheReferenceAloneMeansTheTags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ standard, expr, want string }{
		{"deny", "request.action == 'put-manifest' && request.reference == 'latest'", "request.action == \"put-manifest\" && request.tags.all(t, t == \"latest\")"},
		{"allow", "request.action == 'put-manifest' && request.reference == 'latest'", "request.action == \"put-manifest\" && request.tags.exists(t, t == \"latest\")"},
		{"deny", "request.action == 'delete-manifest' && (request.reference.startsWith('a') || !(request.reference in ['b', 'c']))", "request.action == \"delete-manifest\" && request.tags.all(t, t.startsWith(\"a\") || !(t in [\"b\", \"c\"]))"},
		{"deny", "request.action.startsWith('delete-') && has(request.reference) && request.reference != 'prod'", "request.action.startsWith(\"delete-\") && has(request.reference) && request.tags.all(t, t != \"prod\")"},
		{"allow", "request.reference != null && request.reference.matches('^v') && identity.username != 'ops'", "request.reference != null && request.tags.exists(t, t.matches(\"^v\")) && identity.username != \"ops\""},
		{"deny", "request.action != 'get-manifest' && request.reference == 'x'", "request.action != \"get-manifest\" && request.tags.all(t, t == \"x\")"},
		{"deny", "request.action in ['get-manifest', 'put-manifest'] && identity.groups.exists(g, request.reference.startsWith(g))", "request.action in [\"get-manifest\", \"put-manifest\"] && request.tags.all(t, identity.groups.exists(g, t.startsWith(g)))"},
		{"deny", "request.action == 'put-manifest' ? request.reference == 'x' : true", "(request.action == \"put-manifest\") ? request.tags.all(t, t == \"x\") : true"},
		{"deny", "request.action == 'get-manifest' && request.reference == 'latest'", ""},
		{"deny", "request.action in ['get-manifest', 'get-blob'] && request.reference == 'latest'", ""},
		{"deny", "request.action == 'put-manifest' && request.reference == 'latest' && request.tags == ['latest']", ""},
		{"deny", "request.action == 'put-manifest' && request.reference != null", ""},
		{"deny", "request.action == 'put-manifest' && request.namespace == 'reference'", ""},
	} {
		t.Run(tt.standard+": "+tt.expr, func(t *testing.T) {
			t.Parallel()
			c := NewCompiler()
			got := c.AboutTags(Config{Default: tt.standard, Rules: rules("true", tt.expr)}, 1)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got != "" {
				_, err := c.Policy(Global, Config{Rules: rules(tt.expr, got)})
				must(t, err)
			}
		})
	}
}
