package httpapi_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/httpapi"
)

func TestTheRootTellsWhatThisIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	host := strings.TrimPrefix(f.url, "http://")
	a := f.get("/")
	a.wants(t, want{status: 200, header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}})
	for _, says := range []string{"sreg v1.2.3", "docker push " + host, "curl http://" + host} {
		if !strings.Contains(a.body, says) {
			t.Errorf("text does not say %q:\n%s", says, a.body)
		}
	}
	browser := map[string]string{"Accept": "text/html,application/xhtml+xml"}
	a = f.do(call{method: "GET", path: "/", header: browser})
	a.wants(t, want{status: 200, header: map[string]string{"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff"}})
	for _, says := range []string{"v1.2.3", "docker push " + host} {
		if !strings.Contains(a.body, says) {
			t.Errorf("page does not say %q", says)
		}
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || regexp.MustCompile(`<script|\son\w+=`).MatchString(a.body) {
		t.Errorf("page may run scripts, with the policy %q", csp)
	}
}

func TestTheRootNamesTheExternalURL(t *testing.T) {
	t.Parallel()
	external, err := url.Parse("https://registry.example.com")
	must(t, err)
	f := newFixture(t, settings{externalURL: external})
	for _, accept := range []string{"*/*", "text/html"} {
		a := f.do(call{method: "GET", path: "/", header: map[string]string{"Accept": accept}})
		a.wants(t, want{status: 200})
		if !strings.Contains(a.body, "https://registry.example.com/v2/") || strings.Contains(a.body, "127.0.0.1") {
			t.Errorf("answer to %s does not show the external URL:\n%s", accept, a.body)
		}
	}
}

// TestAHostHeaderIsNoMarkup: the page shows the name by which it was asked.
func TestAHostHeaderIsNoMarkup(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	req := call{method: "GET", path: "/", header: map[string]string{"Accept": "text/html"}}
	a := f.doAs("registry:1&<b>", req)
	if strings.Contains(a.body, "<b>") {
		t.Errorf("the host stands in the page as it came: %.600s", a.body)
	}
}

func TestTheRootSuggestsWhatThePoliciesLetANewcomerDo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first     *httpapi.First
		want, not []string
	}{
		"all is open":        {nil, []string{"docker push HOST/alpine", "docker pull HOST/alpine", "curl http://HOST/v2/alpine/tags/list", "curl http://HOST/v2/_catalog"}, nil},
		"nothing is allowed": {&httpapi.First{}, []string{"v1.2.3"}, []string{"docker push", "docker pull", "_catalog", "tags/list"}},
		"one repository is open": {
			&httpapi.First{Namespace: "team/alpine", Push: httpapi.Anybody, Pull: httpapi.Anybody},
			[]string{"docker push HOST/team/alpine", "docker pull HOST/team/alpine"},
			[]string{"_catalog", "tags/list"},
		},
		"one repository after a sign-in, whose name is not told": {
			&httpapi.First{Namespace: "team/alpine", Push: httpapi.SignedIn, Pull: httpapi.SignedIn, Tags: httpapi.SignedIn, Catalog: httpapi.SignedIn},
			[]string{"docker push HOST/REPOSITORY/alpine", "docker pull HOST/REPOSITORY/alpine", "curl -u USER http://HOST/v2/_catalog"},
			[]string{"team", "tags/list"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, settings{first: tt.first})
			host := strings.TrimPrefix(f.url, "http://")
			for _, accept := range []string{"*/*", "text/html"} {
				a := f.do(call{method: "GET", path: "/", header: map[string]string{"Accept": accept}})
				a.wants(t, want{status: 200})
				body := strings.ReplaceAll(a.body, host, "HOST")
				for _, says := range tt.want {
					if !strings.Contains(body, says) {
						t.Errorf("answer to %s does not say %q:\n%s", accept, says, body)
					}
				}
				for _, says := range tt.not {
					if strings.Contains(body, says) {
						t.Errorf("answer to %s says %q:\n%s", accept, says, body)
					}
				}
			}
		})
	}
}
