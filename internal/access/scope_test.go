package access_test

import (
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

func TestParseGrant(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"repository:a/b:pull":             "repository:a/b:pull",
		"repository:a:push,pull,pull":     "repository:a:push,pull",
		"repository:a:*":                  "repository:a:*",
		"repository(plugin):a:pull":       "repository:a:pull",
		"repository:host:5000/a:pull":     "repository:host:5000/a:pull",
		"registry:catalog:*":              "registry:catalog:*",
		"repository:a:pull,metadata_read": "repository:a:pull",
		"repository:a:":                   "", "repository:a": "", "repository:a:admin": "", "user:a:pull": "", "": "", "::": "",
	} {
		g, ok := access.ParseGrant(text)
		if got := map[bool]string{true: g.String()}[ok]; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestAScopeAllowsWhatItNames(t *testing.T) {
	t.Parallel()
	app, err := oci.ParseName("team/app")
	if err != nil {
		t.Fatal(err)
	}
	other, err := oci.ParseName("team/app/other")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		scope string // of a token
		want  string // what it may be used for: pull, push and delete of the namespace, the other one, the catalog, metrics
	}{
		{"repository:team/app:pull", "[true false false false false false]"},
		{"repository:team/app:push", "[false true false false false false]"},
		{"repository:team/app:pull,push", "[true true false false false false]"},
		{"repository:team/app:delete", "[false false true false false false]"},
		{"repository:team/app:*", "[true true true false false false]"},
		{"repository:team:*", "[false false false false false false]"},
		{"repository:team/app/other:pull", "[false false false true false false]"},
		{"registry:catalog:*", "[false false false false true false]"},
		{"registry:team/app:*", "[false false false false false false]"},
		{"nonsense", "[false false false false false false]"},
	} {
		s := access.ParseScope([]string{tt.scope})
		var got []bool
		for _, r := range []access.Request{
			{Action: access.GetManifest, Namespace: app},
			{Action: access.PutManifest, Namespace: app},
			{Action: access.DeleteBlob, Namespace: app},
			{Action: access.ListTags, Namespace: other},
			{Action: access.ListCatalog},
			{Action: access.Metrics},
		} {
			got = append(got, s.Allows(&r))
			if !(*access.Scope)(nil).Allows(&r) {
				t.Errorf("no scope does not allow %s", r.Action)
			}
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%s: got %v, want %s", tt.scope, got, tt.want)
		}
	}
}

func TestNeededGrant(t *testing.T) {
	t.Parallel()
	name, err := oci.ParseName("a/b")
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[access.Action]string{
		access.GetManifest: "repository:a/b:pull", access.PutManifest: "repository:a/b:pull,push", access.StartUpload: "repository:a/b:pull,push",
		access.DeleteBlob: "repository:a/b:delete", access.ListTags: "repository:a/b:pull",
	} {
		if got, ok := access.NeededGrant(&access.Request{Action: action, Namespace: name}); !ok || got.String() != want {
			t.Errorf("%s: got %s, want %s", action, got, want)
		}
	}
	if got, ok := access.NeededGrant(&access.Request{Action: access.ListCatalog}); !ok || got.String() != "registry:catalog:*" {
		t.Errorf("catalog: got %s", got)
	}
	if got, ok := access.NeededGrant(&access.Request{Action: access.GetAPIVersion}); ok {
		t.Errorf("version: got %s, want none", got)
	}
}
