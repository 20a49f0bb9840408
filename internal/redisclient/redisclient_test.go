package redisclient

import (
	"os"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/redisclient/redistest"
	"github.com/sreg-project/sreg/internal/secret"
)

// page has the rules of the ACL, which TestTheRulesOfTheDocsAreEnough reads there.
const page = "../../docs/redis.md"

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func config(url string, change func(*Config)) Config {
	cfg := DefaultConfig()
	cfg.URL = url
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func TestCheckPassesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	plain, prefix := redistest.Shared(t)
	cluster := redistest.Start(t, redistest.Options{Cluster: true})
	sentinel := redistest.Start(t, redistest.Options{Sentinel: plain})
	secure := redistest.Start(t, redistest.Options{TLS: true})
	for name, cfg := range map[string]Config{
		"plain":            config(plain.URL(), nil),
		"without database": config("redis://"+plain.Address, nil),
		"another database": config("redis://"+plain.Address+"/3", nil),
		"a Cluster":        config("redis://"+cluster.Address+","+cluster.Address, nil),
		"Sentinels":        config("redis://"+sentinel.Address+",127.0.0.1:1/0?master_name=main", nil),
		"TLS": config(secure.URL(), func(c *Config) {
			c.CAFile, c.CertFile, c.KeyFile = secure.Certificates().CA, secure.Certificates().Cert, secure.Certificates().Key
		}),
	} {
		// One after the other: three of them have one server, and a neighbour's key would be found.
		t.Run(name, func(t *testing.T) {
			cfg.KeyPrefix = prefix
			cfg.Validate(func(path, problem string) { t.Errorf("%s: %s", path, problem) })
			client := newClient(t, cfg)
			if err := client.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			if keys, err := client.Keys(t.Context(), cfg.KeyPrefix+"*").Result(); err != nil || len(keys) > 0 {
				t.Errorf("got keys %v and error %v after the check, want none", keys, err)
			}
		})
	}
}

// TestTheRulesOfTheDocsAreEnough gives a user the rules of the page and nothing else.
func TestTheRulesOfTheDocsAreEnough(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nACL SETUSER ")
	rule, _, ok := strings.Cut(rest, "\n")
	if !ok {
		t.Fatalf("%s has no line that begins with ACL SETUSER", page)
	}
	server := redistest.Start(t, redistest.Options{ACL: []string{"user default off", "user " + strings.ReplaceAll(rule, "PASSWORD", "word")}})
	cfg := config(server.URL(), func(c *Config) { c.Username, c.Password = "sreg", secret.New("word") })
	if err := newClient(t, cfg).Check(t.Context()); err != nil {
		t.Error(err)
	}
	cfg.KeyPrefix = "other:"
	wantKey(t, newClient(t, cfg).Check(t.Context()), "redis.key_prefix")
}
