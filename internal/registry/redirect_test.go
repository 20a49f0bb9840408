package registry

import (
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

func TestPullsAreRedirectedWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	repositories := []RepositoryConfig{{Name: "on", Redirect: &yes}, {Name: "off", Redirect: &no}, {Name: "as/it/is"}}
	for _, tt := range []struct {
		service, global bool
		want            map[string]bool
	}{
		{true, true, map[string]bool{"on": true, "off": false, "off/below": false, "as/it/is": true, "other": true}},
		{true, false, map[string]bool{"on": true, "on/below": true, "off": false, "as/it/is": false, "other": false}},
		{false, true, map[string]bool{"on": false, "other": false}},
	} {
		rules, err := newRules(DefaultConfig(), repositories)
		if err != nil {
			t.Fatal(err)
		}
		r := &Registry{core: &core{rules: rules, blobsAreService: tt.service, redirect: tt.global}}
		for ns, want := range tt.want {
			if got := r.redirects(ocitest.Name(ns)); got != want {
				t.Errorf("store is a service %t, redirect %t: %s is redirected %t, want %t", tt.service, tt.global, ns, got, want)
			}
		}
	}
}

func TestARedirectEndsWithThePermissionButNotAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	r := &Registry{core: &core{redirectTTL: 10 * time.Minute, now: func() time.Time { return now }}}
	for _, tt := range []struct {
		until time.Time
		want  time.Duration
	}{
		{time.Time{}, 10 * time.Minute},
		{now.Add(time.Hour), 10 * time.Minute},
		{now.Add(time.Minute), time.Minute},
		{now.Add(time.Second), minRedirect},
		{now.Add(-time.Hour), minRedirect},
	} {
		if got := r.redirectFor(tt.until); got != tt.want {
			t.Errorf("until %s: got %s, want %s", tt.until, got, tt.want)
		}
	}
}
