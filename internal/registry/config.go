package registry

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/oci"
)

// Config is the registry section of sreg's configuration. The struct tags are
// the single source of the keys' names, values and documentation; what a value
// must mean is for Validate.
type Config struct {
	MaxManifestSize    bytesize.Size `mapstructure:"max_manifest_size" min:"1" doc:"The largest manifest that is taken; a larger one is answered 413."`
	MaxBlobSize        bytesize.Size `mapstructure:"max_blob_size" min:"1" doc:"The largest blob that is taken; a larger one is answered 413."`
	UploadTTL          time.Duration `mapstructure:"upload_ttl" min:"1" doc:"How long an unfinished upload is kept after it began; then it answers 404 and its bytes go."`
	MissingReferences  string        `mapstructure:"missing_references" enum:"reject,allow" doc:"What happens to a manifest that names what is not there."`
	TrackPulls         bool          `mapstructure:"track_pulls" doc:"Whether it is recorded when tags and manifests were last pulled. A HEAD is no pull."`
	TrackPullsEvery    time.Duration `mapstructure:"track_pulls_every" needs:".track_pulls=true" doc:"How often pulls are recorded, once for each namespace; a crash forgets those of this time."`
	UnlistedNamespaces string        `mapstructure:"unlisted_namespaces" enum:"allow,deny" doc:"What happens to namespaces under no configured repository."`
	ReadOnly           bool          `mapstructure:"read_only" doc:"Whether pushes and deletes are refused."`
	ImmutableTags      ImmutableTags `mapstructure:"immutable_tags" doc:"Tags that keep their first value."`
}

// ImmutableTags says which tags keep their first value.
type ImmutableTags struct {
	Enabled bool     `mapstructure:"enabled" doc:"Whether a tag that exists keeps its value; another push to it is answered 409. Tags that tools bind to a manifest, sha256-<hex> with or without an ending such as .sig, may change all the same."`
	Except  []string `mapstructure:"except" doc:"Tags that may change all the same: globs such as dev-*, or regular expressions after re:, which must match the whole tag."`
}

// RepositoryConfig is one configured prefix: it owns the namespace of its name
// and all below it. What it leaves out is as in Config.
type RepositoryConfig struct {
	Name          string         `mapstructure:"name" required:"true" doc:"The prefix: hub owns hub and hub/... ."`
	ImmutableTags *ImmutableTags `mapstructure:"immutable_tags" doc:"Stands in for registry.immutable_tags in this repository."`
	Redirect      *bool          `mapstructure:"redirect" doc:"Stands in for redirect of the store of blobs in this repository: whether a pull of a blob is sent to S3."`
	// Mirror says that an upstream registry fills the repository, so that clients may only read it.
	Mirror bool `mapstructure:"-"`
}

// DefaultConfig takes manifests of 4 MiB and blobs of 100 GiB.
func DefaultConfig() Config {
	return Config{
		MaxManifestSize:    4 * bytesize.MiB,
		MaxBlobSize:        100 * bytesize.GiB,
		UploadTTL:          24 * time.Hour,
		MissingReferences:  "reject",
		TrackPulls:         true,
		TrackPullsEvery:    time.Hour,
		UnlistedNamespaces: "allow",
	}
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	if c.TrackPulls && c.TrackPullsEvery < time.Second {
		report("track_pulls_every", fmt.Sprintf("want at least 1s, got %s", c.TrackPullsEvery))
	}
	c.ImmutableTags.Validate(func(field, problem string) { report("immutable_tags."+field, problem) })
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c RepositoryConfig) Validate(report func(path, problem string)) {
	if _, err := oci.ParseName(c.Name); err != nil {
		report("name", fmt.Sprintf("want a namespace such as library or team/app, got %q", c.Name))
	}
	if c.ImmutableTags != nil {
		c.ImmutableTags.Validate(func(field, problem string) { report("immutable_tags."+field, problem) })
	}
}

// Validate reports what is wrong: the path below the section, and the problem.
func (t ImmutableTags) Validate(report func(path, problem string)) {
	for i, pattern := range t.Except {
		if _, err := compileTagPattern(pattern); err != nil {
			report(fmt.Sprintf("except[%d]", i), err.Error())
		}
	}
}

// Matcher returns the function that tells whether a tag is immutable.
func (t ImmutableTags) Matcher() (func(tag string) bool, error) {
	if !t.Enabled {
		return func(string) bool { return false }, nil
	}
	except := make([]func(string) bool, 0, len(t.Except))
	for _, pattern := range t.Except {
		matches, err := compileTagPattern(pattern)
		if err != nil {
			return nil, err
		}
		except = append(except, matches)
	}
	return func(tag string) bool {
		for _, matches := range except {
			if matches(tag) {
				return false
			}
		}
		// Tools change it with each signature, and nobody made it.
		return !subjectTag.MatchString(tag)
	}, nil
}

// Warn reports globs that fit no tag.
func (t ImmutableTags) Warn(report func(field, problem string)) {
	for i, pattern := range t.Except {
		if strings.HasPrefix(pattern, "re:") {
			continue
		}
		plain := characterClass.ReplaceAllString(pattern, "a")
		if at := strings.IndexFunc(plain, inNoTag); at >= 0 {
			report(fmt.Sprintf("except[%d]", i), fmt.Sprintf("fits no tag: no tag has %q; for alternatives write several globs, or re:(a|b)", plain[at:at+1]))
		}
	}
}

// characterClass is [a-z] in a glob.
var characterClass = regexp.MustCompile(`\[[^]]*\]`)

// inNoTag reports whether no tag has a character that stands for itself in a glob.
func inNoTag(c rune) bool {
	return !strings.ContainsRune("._-*?\\", c) && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
}

// compileTagPattern reads a glob, or after re: a regular expression that must
// match the whole tag: an exception that matches a part only by accident would
// open tags that were meant to be closed.
func compileTagPattern(pattern string) (func(tag string) bool, error) {
	if expr, ok := strings.CutPrefix(pattern, "re:"); ok {
		// Compiled alone first: the error then shows what was written, and a
		// stray parenthesis cannot close the group around it.
		if _, err := regexp.Compile(expr); err != nil {
			return nil, fmt.Errorf("want a regular expression after re:, got %q: %w", expr, err)
		}
		whole, err := regexp.Compile("^(?:" + expr + ")$")
		if err != nil {
			return nil, fmt.Errorf("want a regular expression after re:, got %q: %w", expr, err)
		}
		return whole.MatchString, nil
	}
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return nil, fmt.Errorf("want a glob such as dev-* or a regular expression after re:, got %q", pattern)
	}
	return func(tag string) bool {
		matched, err := path.Match(pattern, tag)
		return err == nil && matched
	}, nil
}
