package config

import (
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/policy"
)

func TestWhatIsLikelyNotMeantIsAWarning(t *testing.T) {
	t.Parallel()
	const webhooks = "\nwebhooks: [{name: guard, url: 'https://g/'}]\n"
	const users = "auth: {users_file: users}\n"
	const open = "server: {listeners: [{name: main, address: ':5000'}]}\n"
	const team = "policy: {rules: ['identity.username != null']}\n"
	tests := []struct{ name, policy, want string }{
		{"nothing can be allowed", "policy: {webhook: guard}", "policy.webhook: without a rule nothing is allowed"},
		{"nor in a repository", "repositories: [{name: hub, policy: {webhook: guard}}]", "repositories[0].policy.webhook: without a rule"},
		{"a rule may allow", "policy: {webhook: guard, rules: ['true']}", ""},
		{"the default allows", "policy: {webhook: guard, default: allow}", ""},
		{"nobody may do anything", "policy: {default: deny}", "policy: nobody may do anything, because there is no rule"},
		{"a rule that fails lets through", "policy: {default: allow, on_error: skip, rules: ['false']}", "policy.on_error: where default is allow, skip lets a request through"},
		{"a rule that fails denies", "policy: {default: allow, rules: ['false']}", ""},
		{"a rule about the reference", "policy: {rules: [\"request.action == 'put-manifest' && request.reference != 'prod'\"]}", `policy.rules[0]: a push or a delete by digest has the digest as its reference, whatever tags go with it; ask for the tags: request.action == "put-manifest" && request.tags.all(t, t != "prod")`},
		{"in a repository's policy", "repositories: [{name: hub, policy: {default: allow, rules: [\"request.reference == 'prod'\"]}}]", `repositories[0].policy.rules[0]: a push or a delete by digest has the digest as its reference, whatever tags go with it; ask for the tags: request.tags.exists(t, t == "prod")`},
		{"a rule about pulls by reference", "policy: {rules: [\"request.action == 'get-manifest' && request.reference == 'prod'\"]}", ""},
		{"a pattern that fits nothing", "policy: {rules: [\"request.namespace.glob('{a,b}/*')\"]}", `policy.rules[0]: request.namespace.glob("{a,b}/*") is never true: "{" stands for itself`},
		{"in a keep rule", "repositories: [{name: hub, retention: {rules: [\"image.tag == 'a/b'\"]}}]", `repositories[0].retention.rules[0]: image.tag == "a/b" is never true: no tag has "/"`},
		{"an exception that fits no tag", "registry: {immutable_tags: {enabled: true, except: ['{a,b}']}}", `registry.immutable_tags.except[0]: fits no tag: no tag has "{"`},
		{"of a repository", "repositories: [{name: hub, immutable_tags: {except: ['a', 'b/c']}}]", `repositories[0].immutable_tags.except[1]: fits no tag: no tag has "/"`},
		{"nothing asks for the sign-in", users, "auth: nobody has to sign in, because no policy asks for it"},
		{"nor does a policy that allows all", users + "policy: {default: allow}", "auth: nobody has to sign in"},
		{"a policy of a repository does", users + "repositories: [{name: hub, policy: {default: allow}}]", ""},
		{"a rule does", users + team, ""},
		{"passwords in plain text", open + users + team, "server.listeners[0].tls: passwords and tokens cross the network in plain text"},
		{"behind a proxy that speaks TLS", "server: {external_url: 'https://r/', listeners: [{name: main, address: ':5000'}]}\n" + users + team, ""},
		{"a proxy lets everybody in", "server: {trusted_proxies: [127.0.0.1]}", "server: to sreg a proxy is somebody on this computer"},
		{"so does one that the URL tells of", "server: {external_url: 'https://r/'}", "server: to sreg a proxy is somebody on this computer"},
		{"unless that is meant", "server: {external_url: 'https://r/'}\npolicy: {default: allow}", ""},
		{"no passwords in plain text", open + team, ""},
		{"a rule that keeps nothing", "retention: {rules: ['1 > 2']}", "retention.rules[0]: is never true, so it keeps nothing"},
		{"nor in a repository's retention", "repositories: [{name: hub, retention: {rules: ['top_pushed(9)', 'false']}}]", "repositories[0].retention.rules[1]: is never true"},
		{"a rule that keeps all", "retention: {rules: ['top_pushed(9)', 'true']}", "retention.rules[1]: is always true, so that the other rules do nothing"},
		{"all is meant to stay", "repositories: [{name: hub, retention: {rules: ['true']}}]", ""},
		{"rules that look at images", "retention: {rules: ['top_pushed(9)', 'image.tag != null']}", ""},
		{"passwords behind a unix socket", "server: {external_url: 'https://r/', listeners: [{name: main, address: 'unix:/s'}]}\n" + users + team, "server.listeners[0].address: behind a unix socket nobody has an address"},
		{"a unix socket that is trusted", "server: {external_url: 'https://r/', trusted_proxies: [unix], listeners: [{name: main, address: 'unix:/s'}]}\n" + users + team, ""},
		{"a unix socket where nobody signs in", "server: {external_url: 'https://r/', listeners: [{name: main, address: 'unix:/s'}]}\n" + team, ""},
		{"certificates that no listener shows", "server: {tls: {cert_file: a, key_file: b}}", "server.tls: has no effect: it needs server.listeners[].tls: true"},
		{"a webhook that no policy asks", webhooks, "webhooks[0]: has no effect: no policy has webhook: guard"},
		{"a bucket without its type", "storage: {blobs: {s3: {bucket: b}}}", "storage.blobs.s3: has no effect: it needs storage.blobs.type: s3"},
		{"a bucket for metadata without its type", "storage: {metadata: {fs: {root: m}, s3: {bucket: b}}}", "storage.metadata.s3: has no effect: it needs storage.metadata.type: s3"},
		{"a folder of a bucket", "storage: {blobs: {type: s3, fs: {root: d}, s3: {bucket: b}}}", "storage.blobs.fs: has no effect: it needs storage.blobs.type: fs"},
		{"a bucket", "storage: {blobs: {type: s3, s3: {bucket: b}}, metadata_cache_ttl: 1s}", ""},
		{"free space of a bucket", "storage: {blobs: {type: s3, s3: {bucket: b}}, min_free: 1GiB}", "storage.min_free: has no effect: it needs storage.blobs.type: fs or storage.metadata.type: fs"},
		{"free space of a folder beside a bucket", "storage: {blobs: {type: s3, s3: {bucket: b}}, metadata: {fs: {root: m}}, min_free: 1GiB}", ""},
		{"a Redis that nothing uses", "redis: {url: 'redis://r:6379/0'}", "redis: has no effect: it needs locks.type: redis or cache.type: redis"},
		{"a Redis for the cache", "redis: {url: 'redis://r:6379/0'}\ncache: {type: redis}", ""},
		{"immutable tags that are not switched on", "registry: {immutable_tags: {except: [dev]}}", "registry.immutable_tags: has no effect: it needs registry.immutable_tags.enabled: true"},
		{"immutable tags that are switched off", "registry: {immutable_tags: {enabled: false}}", ""},
		{"an exception of immutable tags that are switched off", "registry: {immutable_tags: {enabled: false, except: [dev]}}", "registry.immutable_tags.except: has no effect: it needs registry.immutable_tags.enabled: true"},
		{"tokens that are switched off", "auth: {token: {enabled: false}}", ""},
		{"a lifetime of tokens that are switched off", "auth: {token: {enabled: false, ttl: 1m}}", "auth.token.ttl: has no effect: it needs auth.token.enabled: true"},
		{"a share of an access log that is switched off", "log: {access: {enabled: false, sample: 0.5}}", "log.access.sample: has no effect: it needs log.access.enabled: true"},
		{"a share of an access log that a terminal has", "log: {access: {sample: 0.5}}", ""},
		{"a window of no failures", "auth: {throttle: {failures: 0, window: 5m}}", "auth.throttle.window: has no effect: it needs auth.throttle.failures"},
		{"a window of failures", "auth: {throttle: {failures: 3, window: 5m}}", ""},
		{"a repository that sets nothing", "repositories: [{name: a, redirect: true}, {name: web}]", "repositories[1]: has no effect: it sets nothing"},
		{"a repository that takes namespaces from another one", "repositories: [{name: a, redirect: true}, {name: a/web}]", ""},
		{"a repository that is listed", "registry: {unlisted_namespaces: deny}\nrepositories: [{name: web}]", ""},
		{"a repository with a setting", "repositories: [{name: web, immutable_tags: {enabled: true}}]", ""},
		{"a repository that keeps images", "repositories: [{name: web, retention: {rules: ['top_pushed(3)']}}]", ""},
		{"no webhook, said where none is taken away", "policy: {rules: ['identity.username != null'], webhook: none}", "policy.webhook: has no effect: none is for the policy of a repository"},
		{"no webhook in a repository where none is asked", "repositories: [{name: web, policy: {default: allow, webhook: none}}]", "repositories[0].policy.webhook: has no effect: policy.webhook names no webhook"},
		{"no webhook in a repository", "policy: {default: allow, webhook: guard}\nrepositories: [{name: web, policy: {default: allow, webhook: none}}]\n", ""},
		{"a lease of locks in memory", "locks: {lease: 10s}", "locks.lease: has no effect: it needs locks.type: redis"},
		{"URLs that are not given", "storage: {blobs: {type: s3, s3: {bucket: b, redirect: false, redirect_ttl: 1m}}}", "storage.blobs.s3.redirect_ttl: has no effect: it needs storage.blobs.s3.redirect: true or repositories[].redirect: true"},
		{"URLs of one repository", "storage: {blobs: {type: s3, s3: {bucket: b, redirect: false, redirect_ttl: 1m}}}\nrepositories: [{name: b, redirect: true}]", ""},
		{"a jitter of no schedule", "gc: {jitter: 1m}", "gc.jitter: has no effect: it needs gc.schedule"},
		{"pulls that are not tracked", "registry: {track_pulls: false, track_pulls_every: 1m}", "registry.track_pulls_every: has no effect: it needs registry.track_pulls: true"},
		{"certificates that no listener asks for", "server: {tls: {client_ca_file: a}}", "server.tls: has no effect"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := tt.policy
			if strings.Contains(text, "webhook: guard") {
				text += webhooks
			}
			cfg, sources, err := Load(Options{Files: []string{write(t, t.TempDir(), "sreg.yaml", text)}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range cfg.Warnings(sources, policy.NewCompiler(), time.Now()) {
				got = append(got, w.String())
			}
			text = strings.Join(got, "\n")
			if (text == "") != (tt.want == "") || !strings.Contains(text, tt.want) {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}
