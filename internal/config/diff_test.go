package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	const oidc = "auth: {oidc: [%s]}\n"
	provider := func(name, issuer string) string {
		return "{name: " + name + ", issuer: 'https://" + issuer + "', audience: [sreg]}"
	}
	tests := []struct {
		name        string
		before, now string
		want        []string // key: old -> new, and "restart" behind it
	}{
		{name: "nothing", before: "log: {level: debug}", now: "{log: {level: debug, format: auto}}"},
		{
			"a key", "log: {level: debug}", "server: {timeouts: {idle: 5m}, limits: {queue: 0}}",
			[]string{`server.limits.queue: 1024 -> 0`, `server.timeouts.idle: "2m" -> "5m"`, `log.level: "debug" -> "info"`},
		},
		{"a list of texts", "server: {trusted_proxies: [10.0.0.1]}", "server: {trusted_proxies: [10.0.0.1, 10.0.0.2]}", []string{`server.trusted_proxies: ["10.0.0.1"] -> ["10.0.0.1","10.0.0.2"]`}},
		{"an empty list is none", "server: {trusted_proxies: []}", "{}", nil},
		{
			"a mapping, name by name", "log: {modules: {authn: debug, storage: debug}}", "log: {modules: {http: warn, storage: error}}",
			[]string{`log.modules.authn: "debug" -> null`, `log.modules.http: null -> "warn"`, `log.modules.storage: "debug" -> "error"`},
		},
		{
			"secrets are never shown", "webhooks: [{name: a, url: 'http://a/', bearer_token: canary-1}]", "webhooks: [{name: a, url: 'http://a/', bearer_token: canary-2}]",
			[]string{`webhooks[a].bearer_token: "***" -> "***"`},
		},
		{
			"nor where the whole element is", "{}", "webhooks: [{name: a, url: 'http://a/', bearer_token: canary-2, timeout: 1s}]",
			[]string{`webhooks[a]: null -> {"bearer_token":"***","name":"a","timeout":"1s","url":"http://a/"}`},
		},
		{
			"an element is found by its name", fmt.Sprintf(oidc, provider("a", "a")+","+provider("b", "b")), fmt.Sprintf(oidc, provider("c", "c")+","+provider("b", "z")),
			[]string{
				`auth.oidc[a]: {"audience":["sreg"],"issuer":"https://a","name":"a"} -> null`,
				`auth.oidc[b].issuer: "https://b" -> "https://z"`,
				`auth.oidc[c]: null -> {"audience":["sreg"],"issuer":"https://c","name":"c"}`,
			},
		},
		{
			"another order of the names", fmt.Sprintf(oidc, provider("a", "a")+","+provider("b", "b")), fmt.Sprintf(oidc, provider("b", "b")+","+provider("a", "z")),
			[]string{`auth.oidc: ["a","b"] -> ["b","a"]`, `auth.oidc[a].issuer: "https://a" -> "https://z"`},
		},
		{
			"a rule that has no name, between others", "policy: {rules: [a, b, c]}", "policy: {rules: [a, x, y, c]}",
			[]string{`policy.rules[1].expr: "b" -> "x"`, `policy.rules[2]: null -> {"expr":"y"}`},
		},
		{"a rule that went", "policy: {rules: [a, b, b, c]}", "policy: {rules: [a, b, c]}", []string{`policy.rules[2]: {"expr":"b"} -> null`}},
		{
			"rules with names", "policy: {rules: [{name: r, expr: a}]}", "policy: {rules: [{name: s, expr: b}, {name: r, expr: c}]}",
			[]string{`policy.rules[r].expr: "a" -> "c"`, `policy.rules[s]: null -> {"expr":"b","name":"s"}`},
		},
		{
			"an optional section appears", "{}", "policy: {default: allow}",
			[]string{`policy: null -> {"default":"allow"}`},
		},
		{
			"a repository, and one below it", "repositories: [{name: team/app}]", "repositories: [{name: team}, {name: team/app, immutable_tags: {enabled: true}, redirect: false}]",
			[]string{
				`repositories[team/app].immutable_tags: null -> {"enabled":true}`, `repositories[team/app].redirect: null -> false`,
				`repositories[team]: null -> {"name":"team"}`,
			},
		},
		{
			"a store of its own for metadata needs a restart", "{}", "storage: {metadata: {fs: {root: /m}}}",
			[]string{`storage.metadata: null -> {"fs":{"root":"/m"}}, restart`},
		},
		{
			"the other type of locks needs a restart, their lease does not", "redis: {url: 'redis://a/0'}", "{redis: {url: 'redis://b/0'}, locks: {type: redis, lease: 1m}}",
			[]string{`locks.type: "memory" -> "redis", restart`, `locks.lease: "30s" -> "1m"`, `redis.url: "redis://a/0" -> "redis://b/0", restart`},
		},
		{
			"so do an address and TLS, but not what a listener serves",
			"server: {tls: {cert_file: a, key_file: a}, listeners: [{name: main, address: '127.0.0.1:1'}, {name: admin, address: '127.0.0.1:2', serves: [health]}]}",
			"server: {tls: {cert_file: b, key_file: a}, listeners: [{name: admin, address: '127.0.0.1:2', serves: [metrics]}, {name: main, address: '127.0.0.1:3', tls: true}]}",
			[]string{
				`server.listeners: ["main","admin"] -> ["admin","main"]`,
				`server.listeners[main].address: "127.0.0.1:1" -> "127.0.0.1:3", restart`, `server.listeners[main].tls: false -> true, restart`,
				`server.listeners[admin].serves: ["health"] -> ["metrics"]`, `server.tls.cert_file: "a" -> "b"`,
			},
		},
		{
			"and a listener that comes", "{}", "server: {listeners: [{name: main, address: '127.0.0.1:5000'}, {name: more, address: '127.0.0.1:5001'}]}",
			[]string{`server.listeners[more]: null -> {"address":"127.0.0.1:5001","name":"more"}, restart`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range Diff(decoded(t, tt.before), decoded(t, tt.now)) {
				got = append(got, show(t, c))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// decoded is what a text says, whether its expressions compile or not.
func decoded(t *testing.T, text string) *Config {
	t.Helper()
	l := newLoader()
	l.addDocument("sreg.yaml", []byte(text))
	if err := l.found.err(); err != nil {
		t.Fatal(err)
	}
	cfg, err := l.decode()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func show(t *testing.T, c Change) string {
	t.Helper()
	encode := func(v any) string {
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(encoded)
	}
	line := fmt.Sprintf("%s: %s -> %s", c.Key, encode(c.Old), encode(c.New))
	if c.Restart {
		line += ", restart"
	}
	return line
}

// TestWhatNeedsARestart holds the list of the design: all else is live.
func TestWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	var got []string
	rootShape().walk("", func(path string, s *shape) {
		if s.restart {
			got = append(got, path)
		}
	})
	want := []string{
		"server.listeners[].address", "server.listeners[].tls", "server.listeners[].mode",
		"storage.blobs.type", "storage.blobs.fs.root", "storage.blobs.s3.endpoint", "storage.blobs.s3.bucket", "storage.blobs.s3.prefix",
		"storage.metadata.type", "storage.metadata.fs.root", "storage.metadata.s3.endpoint", "storage.metadata.s3.bucket", "storage.metadata.s3.prefix",
		"locks.type", "redis.url", "redis.key_prefix",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
