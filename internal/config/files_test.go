package config

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestFilesAreAllThatAConfigurationReads(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	secretFile := write(t, folder, "secret", "canary\n")
	first := write(t, folder, "first.yaml", `
server:
  listeners: [{name: main, address: "127.0.0.1:0", tls: true}]
  tls:
    cert_file: tls.crt
    key_file: tls.key
    client_ca_file: clients.crt
    certificates: [{cert_file: other.crt, key_file: tls.key}]
redis: {url: "rediss://127.0.0.1/0", ca_file: redis.crt, password: "file:`+secretFile+`"}
log: {audit: {file: audit.log}}
`)
	second := write(t, folder, "second.yaml", `
storage: {metadata: {type: s3, s3: {bucket: b, region: r, access_key_id: id, secret_access_key: "file:`+secretFile+`", ca_file: s3.crt}}}
auth:
  users_file: users
  token: {key_file: token.key}
  oidc: [{name: ci, issuer: "https://idp", audience: [sreg], ca_file: idp.crt}, {name: ops, issuer: "https://ops", audience: [sreg]}]
webhooks: [{name: guard, url: "https://guard/", cert_file: hook.crt, key_file: hook.key}]
`)
	cfg, sources, err := Load(Options{Files: []string{first, second}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		first, second,
		"tls.crt", "tls.key", "other.crt", "clients.crt", secretFile, "s3.crt", "redis.crt",
		"users", "token.key", "idp.crt", "hook.crt", "hook.key",
	}
	if got := cfg.Files(sources); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestADefaultConfigurationReadsNoFile(t *testing.T) {
	t.Parallel()
	cfg, sources, err := Load(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Files(sources); len(got) > 0 {
		t.Errorf("got %q, want none", got)
	}
}

func TestFilesOfSecretsThatWereLeftOutAreNotListed(t *testing.T) {
	t.Parallel()
	path := write(t, t.TempDir(), "sreg.yaml", "webhooks: [{name: a, url: 'http://a/', bearer_token: 'file:/no/such/file'}]\n")
	cfg, sources, err := Load(Options{Files: []string{path}, WithoutSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Files(sources); len(got) != 1 || filepath.Base(got[0]) != "sreg.yaml" {
		t.Errorf("got %q, want the config file alone", got)
	}
}
