package registry_test

import (
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/registry"
)

func TestImmutableTagsMatcher(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name      string
		tags      registry.ImmutableTags
		immutable []string
		mutable   []string
	}{
		{
			name:    "nothing is immutable while it is off",
			tags:    registry.ImmutableTags{Except: []string{"latest"}},
			mutable: []string{"latest", "v1"},
		},
		{
			name:      "everything is immutable without exceptions",
			tags:      registry.ImmutableTags{Enabled: true},
			immutable: []string{"latest", "v1"},
		},
		{
			name:      "a plain word excepts that tag alone",
			tags:      registry.ImmutableTags{Enabled: true, Except: []string{"latest"}},
			immutable: []string{"latest2", "alatest", "Latest", "v1"},
			mutable:   []string{"latest"},
		},
		{
			name:      "a glob excepts what it covers",
			tags:      registry.ImmutableTags{Enabled: true, Except: []string{"dev-*", "pr-[0-9]"}},
			immutable: []string{"dev", "xdev-1", "pr-12"},
			mutable:   []string{"dev-", "dev-1.2_x", "pr-7"},
		},
		{
			name:      "a regular expression must match the whole tag",
			tags:      registry.ImmutableTags{Enabled: true, Except: []string{"re:pr-[0-9]+|nightly"}},
			immutable: []string{"pr-", "pr-1x", "xpr-1", "nightly2", "anightly"},
			mutable:   []string{"pr-17", "nightly"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			isImmutable, err := tc.tags.Matcher()
			if err != nil {
				t.Fatal(err)
			}
			for _, tag := range tc.immutable {
				if !isImmutable(tag) {
					t.Errorf("%s may change, want it immutable", tag)
				}
			}
			for _, tag := range tc.mutable {
				if isImmutable(tag) {
					t.Errorf("%s is immutable, want it to change", tag)
				}
			}
		})
	}
}

func TestImmutableTagsRefuseWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"", "[a", "re:(", "re:a)|(b"} {
		tags := registry.ImmutableTags{Enabled: true, Except: []string{pattern}}
		if _, err := tags.Matcher(); err == nil {
			t.Errorf("%q compiles, want an error", pattern)
		}
		reported := ""
		tags.Validate(func(path, _ string) { reported = path })
		if reported != "except[0]" {
			t.Errorf("%q is reported at %q, want except[0]", pattern, reported)
		}
	}
}

func TestWhatAConfigMustNotSay(t *testing.T) {
	t.Parallel()
	wrong := registry.ImmutableTags{Enabled: true, Except: []string{"dev", "re:("}}
	own, quick, off := registry.DefaultConfig(), registry.DefaultConfig(), registry.DefaultConfig()
	own.ImmutableTags = wrong
	quick.TrackPullsEvery = time.Millisecond
	off.TrackPulls, off.TrackPullsEvery = false, 0
	for _, tt := range []struct {
		name   string
		config interface {
			Validate(report func(path, problem string))
		}
		want string
	}{
		{"the default", registry.DefaultConfig(), ""},
		{"pulls that are not tracked", off, ""},
		{"pulls that are recorded all the time", quick, "track_pulls_every"},
		{"a pattern that does not compile", own, "immutable_tags.except[1]"},
		{"a repository", registry.RepositoryConfig{Name: "team/app"}, ""},
		{"a repository whose name is none", registry.RepositoryConfig{Name: "Team"}, "name"},
		{"a repository with a pattern that does not compile", registry.RepositoryConfig{Name: "team", ImmutableTags: &wrong}, "immutable_tags.except[1]"},
	} {
		got := ""
		tt.config.Validate(func(path, _ string) { got += path })
		if got != tt.want {
			t.Errorf("%s: reported at %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAGlobThatFitsNoTagIsAWarning(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"{dev,test}-*":  `except[0] fits no tag: no tag has "{"; for alternatives write several globs, or re:(a|b)`,
		"team/*":        `except[0] fits no tag: no tag has "/"; for alternatives write several globs, or re:(a|b)`,
		"v[0-9].*_?":    "",
		"re:(dev|test)": "",
		"Latest":        "",
	} {
		got := ""
		registry.ImmutableTags{Except: []string{pattern}}.Warn(func(field, problem string) { got += field + " " + problem })
		if got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
}
