package snapshot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/webhook"
)

func TestEverythingThatAConfigNamesIsChecked(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Storage.Blobs.FS.Root = t.TempDir()
	other := cfg.Storage.Blobs
	other.FS.Root = filepath.Join(t.TempDir(), "new")
	cfg.Storage.Metadata = &other
	cfg.Cache.Type, cfg.Redis.URL = "redis", "redis://127.0.0.1:1/?password=secret"
	cfg.Auth.OIDC = []authn.ProviderConfig{{Issuer: "http://127.0.0.1:1"}}
	cfg.Webhooks = []webhook.Config{{Name: "a", URL: "http://127.0.0.1:1/?key=secret"}}
	var got []string
	for _, c := range CheckOnline(t.Context(), &cfg, nil) {
		got = append(got, c.Key+" "+c.Where)
		if wantErr := !strings.HasPrefix(c.Key, "storage."); (c.Err != nil) != wantErr {
			t.Errorf("%s: got %v, want an error: %t", c.Key, c.Err, wantErr)
		}
		if c.Key == "storage.metadata" && len(c.Notes) != 1 {
			t.Errorf("a folder that is not there: got notes %q, want that it will be made", c.Notes)
		}
	}
	want := []string{
		"storage.blobs " + cfg.Storage.Blobs.FS.Root, "storage.metadata " + other.FS.Root, "redis redis://127.0.0.1:1/",
		"auth.oidc[0] http://127.0.0.1:1", "webhooks[0] http://127.0.0.1:1/",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if left, err := os.ReadDir(cfg.Storage.Blobs.FS.Root); len(left) > 0 || err != nil {
		t.Errorf("the check has left %v, %v", left, err)
	}
	if _, err := os.Stat(other.FS.Root); !os.IsNotExist(err) {
		t.Errorf("the check has made a folder: %v", err)
	}
}

func TestAFolderThatCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{file, filepath.Join(file, "below")} {
		if notes, err := tryFolder("storage.blobs.fs.root", root); err == nil {
			t.Errorf("%s: got %q, want an error", root, notes)
		}
	}
}
