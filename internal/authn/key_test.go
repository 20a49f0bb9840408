package authn

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestInstancesThatStartTogetherHaveOneKey(t *testing.T) {
	t.Parallel()
	store := &keysInMemory{}
	var ids sync.Map
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			key, err := (&tokens{store: store}).load(t.Context(), true)
			if err != nil {
				t.Error(err)
				return
			}
			ids.Store(key.signing().id, true)
		})
	}
	work.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("got %d keys, want one", n)
	}
}

func TestAKeyThatCannotSign(t *testing.T) {
	t.Parallel()
	rsaDER, err := x509.MarshalPKCS8PrivateKey(newRSA())
	must(t, err)
	for name, tt := range map[string]struct{ content, want string }{
		"no PEM":          {"canary-secret", "openssl genpkey"},
		"a certificate":   {"-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n", "PRIVATE KEY"},
		"a broken block":  {"-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n", "PKCS #8"},
		"a key of RSA":    {string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rsaDER})), "Ed25519"},
		"an empty string": {"", "PRIVATE KEY"},
	} {
		if _, err := parseKeyring([]byte(tt.content)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestCheckKeyCreatesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	must(t, f.CheckKey(t.Context()))
	if f.opts.Keys.(*keysInMemory).key != nil {
		t.Error("a key was made")
	}
	f.opts.Keys = KeyFile{Path: filepath.Join(t.TempDir(), "absent.pem")}
	f.opts.Config.Token.KeyFile = "absent.pem"
	if err := f.again(t).CheckKey(context.Background()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v for a key_file that is not there, want %v", err, os.ErrNotExist)
	}
	if err := f.again(t).Prepare(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v when it is wanted, want %v: sreg makes no key_file", err, os.ErrNotExist)
	}
}
