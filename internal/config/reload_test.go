package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/config"
)

// TestReloadKeepsWhatNeedsARestart: the rest of a change is taken, and what is not taken is named.
func TestReloadKeepsWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	const open = "policy: {default: allow}\n"
	for name, test := range map[string]struct {
		before, after string
		restart       []string // the keys
		taken         func(c *config.Config) bool
		refused       string
	}{
		"nothing of it": {
			"log: {level: info}\n", "log: {level: debug}\n", nil,
			func(c *config.Config) bool { return c.Log.Level == "debug" }, "",
		},
		"the folder": {
			"storage: {blobs: {fs: {root: a}}, min_free: 1GiB}\n", "storage: {blobs: {fs: {root: b}}, min_free: 2GiB}\n",
			[]string{"storage.blobs.fs.root"},
			func(c *config.Config) bool {
				return c.Storage.Blobs.FS.Root == "a" && c.Storage.MinFree.String() == "2GiB"
			}, "",
		},
		"a listener's address, and what it serves": {
			open + "server: {listeners: [{name: main, address: '127.0.0.1:1'}, {name: admin, address: '127.0.0.1:2', serves: [health]}]}\n",
			open + "server: {listeners: [{name: admin, address: '127.0.0.1:3', serves: [metrics]}, {name: main, address: '127.0.0.1:1'}]}\n",
			[]string{"server.listeners", "server.listeners[admin].address", "server.listeners[admin].serves"},
			func(c *config.Config) bool {
				l := c.Server.Listeners
				return len(l) == 2 && l[0].Name == "main" && l[1].Address == "127.0.0.1:2" && slices.Equal(l[1].Serves, []string{"health"})
			}, "",
		},
		"what a listener serves": {
			open + "server: {listeners: [{name: main, address: '127.0.0.1:1'}, {name: admin, address: '127.0.0.1:2', serves: [health]}]}\n",
			open + "server: {listeners: [{name: main, address: '127.0.0.1:1'}, {name: admin, address: '127.0.0.1:2', serves: [metrics]}]}\n", nil,
			func(c *config.Config) bool { return slices.Equal(c.Server.Listeners[1].Serves, []string{"metrics"}) }, "",
		},
		"rules that are meant for an address that nobody else reaches": {
			"policy: {default: deny}\nserver: {listeners: [{name: main, address: '0.0.0.0:1'}]}\nlog: {level: info}\n",
			open + "server: {listeners: [{name: main, address: '127.0.0.1:1'}]}\nlog: {level: debug}\n",
			[]string{"server.listeners[main].address", "policy.default"},
			func(c *config.Config) bool { return c.Policy.Default == "deny" && c.Log.Level == "debug" }, "",
		},
		"rules that are meant for another folder": {
			open + "storage: {blobs: {fs: {root: a}}}\n",
			"policy: {default: deny}\nstorage: {blobs: {fs: {root: b}}}\nretention: {rules: ['false']}\ngc: {trash: 1h}\nauth: {token: {ttl: 1m}}\n",
			[]string{"storage.blobs.fs.root", "policy.default", "retention.rules[0]", "gc.trash"},
			func(c *config.Config) bool {
				return c.Policy.Default == "allow" && len(c.Retention.Rules) == 0 && c.Auth.Token.TTL == time.Minute
			}, "",
		},
		"no rules any more": {
			open, "storage: {min_free: 2GiB}\n", nil, nil, "policy: is gone",
		},
		"nothing at all": {
			open, " \n", nil, nil, "is empty",
		},
		"one more listener": {
			open, open + "server: {listeners: [{name: main, address: '127.0.0.1:5000'}, {name: more, address: '127.0.0.1:3'}]}\n",
			[]string{"server.listeners[more]"},
			func(c *config.Config) bool { return len(c.Server.Listeners) == 1 }, "",
		},
		"a store of metadata of its own": {
			open, open + "storage: {metadata: {fs: {root: meta}}}\n",
			[]string{"storage.metadata"},
			func(c *config.Config) bool { return c.Storage.Metadata == nil }, "",
		},
		"no store of metadata any more": {
			open + "storage: {metadata: {fs: {root: meta}}}\n", open,
			[]string{"storage.metadata"},
			func(c *config.Config) bool { return c.Storage.Metadata != nil && c.Storage.Metadata.FS.Root == "meta" }, "",
		},
		"what is wrong beside what stays": {
			open + "server: {listeners: [{name: main, address: '127.0.0.1:1', tls: true}], tls: {cert_file: a, key_file: b}}\n",
			open + "server: {listeners: [{name: main, address: '127.0.0.1:1'}]}\n",
			[]string{"server.listeners[main].tls"},
			nil,
			"server.tls",
		},
		"what is wrong as it stands": {
			open, "locks: {type: redis}\n", nil, nil, "redis.url: missing, and locks.type is redis",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "sreg.yaml")
			write := func(text string) config.Options {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return config.Options{Files: []string{file}}
			}
			running, _, err := config.Load(write(test.before))
			if err != nil {
				t.Fatal(err)
			}
			next, err := config.Reload(write(test.after), running)
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("got %v, want %s", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var restart []string
			for _, c := range next.Changes {
				if c.Restart {
					restart = append(restart, c.Key)
				}
			}
			if !slices.Equal(restart, test.restart) || !test.taken(next.Config) {
				t.Errorf("a restart is needed for %q, want %q; the config is %+v", restart, test.restart, next.Config)
			}
			back, err := config.Reload(write(test.before), next.Config)
			if err != nil || slices.ContainsFunc(back.Changes, func(c config.Change) bool { return c.Restart }) {
				t.Errorf("back: %v, changes %v, want none that needs a restart", err, back.Changes)
			}
		})
	}
}
