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

func TestErrorsNameTheKeyToChange(t *testing.T) {
	t.Parallel()
	plain, _ := redistest.Shared(t)
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
			if name != "no answer" && name != "TLS to a plain server" { // these wait until the time is up
				tt.cfg.URL = patient(tt.cfg.URL)
			}
			client, err := New(tt.cfg)
			if err == nil {
				defer client.Close()
				err = client.Check(t.Context())
			}
			wantKey(t, err, tt.key)
		})
	}
}

// patient is a URL whose server may be slow to answer, on a computer that does much else.
func patient(url string) string {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	return url + separator + "dial_timeout=1m&read_timeout=1m&write_timeout=1m"
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
