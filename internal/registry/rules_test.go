package registry

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

func TestTheRulesOfTheLongestPrefixHold(t *testing.T) {
	t.Parallel()
	global := DefaultConfig()
	global.ImmutableTags = ImmutableTags{Enabled: true, Except: []string{"dev"}}
	rules, err := newRules(global, []RepositoryConfig{
		{Name: "team", ImmutableTags: &ImmutableTags{}},
		{Name: "team/app", Mirror: true, ImmutableTags: &ImmutableTags{Enabled: true}},
		{Name: "plain"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for ns, want := range map[string]struct{ listed, mirror, v1, dev, any bool }{
		"other":          {false, false, true, false, true},
		"teams":          {false, false, true, false, true},
		"plain/below":    {true, false, true, false, true},
		"team":           {true, false, false, false, false},
		"team/other":     {true, false, false, false, false},
		"team/app":       {true, true, true, true, true},
		"team/app/below": {true, true, true, true, true},
	} {
		n := ocitest.Name(ns)
		got := struct{ listed, mirror, v1, dev, any bool }{
			rules.listed(n), rules.mirror(n), rules.immutable(n, ocitest.Tag("v1")), rules.immutable(n, ocitest.Tag("dev")), rules.immutableTags(n),
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", ns, got, want)
		}
	}
}

func TestRulesThatCannotBe(t *testing.T) {
	t.Parallel()
	wrong := ImmutableTags{Enabled: true, Except: []string{"re:("}}
	for want, repository := range map[string]RepositoryConfig{
		`repository "Team"`:                 {Name: "Team"},
		"repository team: immutable_tags: ": {Name: "team", ImmutableTags: &wrong},
	} {
		if _, err := newRules(DefaultConfig(), []RepositoryConfig{repository}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := newRules(Config{ImmutableTags: wrong}, nil); err == nil || !strings.Contains(err.Error(), "registry.immutable_tags") {
		t.Errorf("got %v, want the key of the global rules", err)
	}
}

// TestTagsThatFollowASubjectAreNeverImmutable: a second signature is pushed under the tag of the first.
func TestTagsThatFollowASubjectAreNeverImmutable(t *testing.T) {
	t.Parallel()
	rules, err := newRules(Config{ImmutableTags: ImmutableTags{Enabled: true}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hex := strings.Repeat("ab", 32)
	for tag, want := range map[string]bool{
		"sha256-" + hex: false, "sha256-" + hex + ".sig": false, "sha256-" + hex + ".att": false, "sha256-" + hex + ".sbom": false,
		"sha512-" + hex: false, // cut to what a tag can hold
		"v1":            true, "sha256-" + hex[1:]: true, "sha256-" + hex + "-sig": true, "v1-sha256-" + hex: true, "sha256-" + strings.ToUpper(hex): true,
	} {
		if got := rules.immutable(ocitest.Name("app"), ocitest.Tag(tag)); got != want {
			t.Errorf("%s: immutable %t, want %t", tag, got, want)
		}
	}
}
