package redisclient

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/redisclient/redistest"
	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/setting"
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
	plain := redistest.Start(t, redistest.Options{})
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

func TestErrorsNameTheKeyToChange(t *testing.T) {
	t.Parallel()
	plain := redistest.Start(t, redistest.Options{})
	secure := redistest.Start(t, redistest.Options{TLS: true})
	other := redistest.Start(t, redistest.Options{TLS: true})
	sentinel := redistest.Start(t, redistest.Options{Sentinel: plain})
	guarded := redistest.Start(t, redistest.Options{ACL: []string{"user default on >word ~* +@all", "user reader on >word ~* +@read +ping", "user narrow on >word ~other:* +@all", "user unranked on >word ~* +@all -zrank"}})
	paused := redistest.Start(t, redistest.Options{})
	paused.Pause()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	files := secure.Certificates()
	for name, tt := range map[string]struct {
		cfg Config
		key string
	}{
		"nothing listens":          {config("redis://127.0.0.1:1/0", nil), "redis.url"},
		"no such host":             {config("redis://redis.invalid:6379/0", nil), "redis.url"},
		"no answer":                {config(paused.URL(), nil), "redis.url"},
		"no password":              {config(guarded.URL(), nil), "redis.password"},
		"a wrong password":         {config(guarded.URL(), func(c *Config) { c.Password = secret.New("wrong") }), "redis.password"},
		"a user who is not there":  {config(guarded.URL(), func(c *Config) { c.Username, c.Password = "nobody", secret.New("word") }), "redis.password"},
		"a user who may not write": {config(guarded.URL(), func(c *Config) { c.Username, c.Password = "reader", secret.New("word") }), "redis.username"},
		"a user without a command": {config(guarded.URL(), func(c *Config) { c.Username, c.Password = "unranked", secret.New("word") }), "redis.username"},
		"a user of other keys":     {config(guarded.URL(), func(c *Config) { c.Username, c.Password = "narrow", secret.New("word") }), "redis.key_prefix"},
		"a database too high":      {config("redis://"+plain.Address+"/99", nil), "redis.url"},
		"TLS to a plain server":    {config("rediss://"+plain.Address+"/0", nil), "redis.url"},
		"plain to a TLS server":    {config("redis://"+secure.Address+"/0", nil), "redis.url"},
		"an unknown CA":            {config(secure.URL(), nil), "redis.ca_file"},
		"another CA":               {config(secure.URL(), func(c *Config) { c.CAFile = other.Certificates().CA }), "redis.ca_file"},
		"no client certificate":    {config(secure.URL(), func(c *Config) { c.CAFile = files.CA }), "redis.cert_file"},
		"a CA file without one":    {config(secure.URL(), func(c *Config) { c.CAFile = empty }), "redis.ca_file"},
		"no such CA file":          {config(secure.URL(), func(c *Config) { c.CAFile = empty + "x" }), "redis.ca_file"},
		"a key without a pair":     {config(secure.URL(), func(c *Config) { c.CertFile, c.KeyFile = files.Cert, empty }), "redis.cert_file"},
		"a Cluster that is none":   {config("redis://"+plain.Address+","+plain.Address, nil), "redis.url"},
		"an unknown master":        {config("redis://"+sentinel.Address+"/0?master_name=other", nil), "redis.url"},
		"a Sentinel alone":         {config(sentinel.URL(), nil), "redis.url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := New(tt.cfg)
			if err == nil {
				defer client.Close()
				err = client.Check(t.Context())
			}
			wantKey(t, err, tt.key)
		})
	}
}

func wantKey(t *testing.T, err error, key string) {
	t.Helper()
	var known *setting.Error
	if !errors.As(err, &known) || known.Key != key {
		t.Errorf("got error %v, want one of %s", err, key)
		return
	}
	t.Log(err)
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"redis://h:6379/0": true, "rediss://h": true, "redis://h:1,h:2": true, "redis://h:1,h:2/0?master_name=m": true, "redis://[::1]:6379/0": true,
		"redis://h/0?dial_timeout=3s": true, "redis://h:1,i:2/?read_timeout=3s": true,
		"http://h": false, "redis://": false, "h:6379": false, "redis://u:p@h/0": false, "redis://h/0?password=x": false, "redis://h/x": false,
		"redis://h:1,h:2/3": false, "redis://h/0?unknown=1": false, "redis://h/0#x": false, "redis://h:1,,h:2": false, "redis://h:x/0": false,
	} {
		var got []string
		config(url, nil).Validate(func(path, problem string) { got = append(got, path+": "+problem) })
		if (len(got) == 0) != ok {
			t.Errorf("%s: got problems %q, want them: %v", url, got, !ok)
		}
	}
}
