package storagetest

import (
	"io"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// powerProofs are of what not every Store can do: one that cannot has nothing to prove.
var powerProofs = []proof{
	{"a settled fingerprint tells every change of the objects one level below", tryFingerprint},
	{"bytes are opened by their data key until their object is destroyed", tryOpenData},
	{"a data key that is not of this store is malformed", tryDataKeyForms},
	{"a url is signed for a data key, whatever lies there", tryPresign},
}

func tryFingerprint(t *testing.T, s storage.Store) {
	put(t, s, "p/a", "x")
	seen := map[storage.Stamp]string{}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"nothing", func() {}},
		{"a new object", func() { put(t, s, "p/b", "x") }},
		{"a changed object", func() { put(t, s, "p/a", "y") }},
		{"a condemned object", func() { condemn(t, s, "p/a") }},
		{"a revived object", func() { revive(t, s, "p/a") }},
		{"a deleted object", func() { remove(t, s, "p/a") }},
	} {
		step.do()
		stamp, ok := settle(t, s, "p")
		if !ok {
			return // a Store may have none, or none that settles
		}
		if before, twice := seen[stamp]; twice {
			t.Errorf("after %s the fingerprint is the one after %s", step.name, before)
		}
		seen[stamp] = step.name
	}
}

// dataKeyOf commits an upload to a key, and gives the data key of the object.
func dataKeyOf(t *testing.T, s storage.Store, key, data string) storage.DataKey {
	t.Helper()
	u := newUpload(t, s, "u", "")
	appendTo(t, u, data)
	info, err := u.Commit(t.Context(), key)
	if err != nil || info.DataKey == "" {
		t.Fatalf("commit to %s gives the data key %q, %v, want one", key, info.DataKey, err)
	}
	closeUpload(t, u)
	return info.DataKey
}

func tryOpenData(t *testing.T, s storage.Store) {
	opener, ok := storage.As[storage.DataOpener](s)
	if !ok {
		return
	}
	key := dataKeyOf(t, s, "a", "0123456789")
	for range 2 { // live, then condemned
		r, info, err := opener.OpenData(t.Context(), key)
		if err != nil || info.Size != 10 || info.DataKey != key {
			t.Fatalf("open data = %+v, %v, want ten bytes of %s", info, err, key)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != "0123456789" {
			t.Errorf("it reads %q, %v", b, err)
		}
		wantError(t, "close", r.Close(), nil)
		condemn(t, s, "a")
	}
	wantError(t, "destroy", s.Destroy(t.Context(), "a", storage.DeleteOptions{}), nil)
	_, _, err := opener.OpenData(t.Context(), key)
	wantError(t, "open data of what was destroyed", err, storage.ErrNotExist)
}

func tryDataKeyForms(t *testing.T, s storage.Store) {
	opener, opens := storage.As[storage.DataOpener](s)
	signer, signs := storage.As[storage.Presigner](s)
	for _, key := range []storage.DataKey{"", "a", "../a", "a:b:c"} {
		if opens {
			_, _, err := opener.OpenData(t.Context(), key)
			wantError(t, "open data of "+string(key), err, storage.ErrKey)
		}
		if signs {
			_, err := signer.Presign(t.Context(), key, storage.PresignOptions{Expires: time.Minute})
			wantError(t, "presign of "+string(key), err, storage.ErrKey)
		}
	}
}

func tryPresign(t *testing.T, s storage.Store) {
	signer, ok := storage.As[storage.Presigner](s)
	if !ok {
		return
	}
	key := dataKeyOf(t, s, "a", "x")
	remove(t, s, "a")
	url, err := signer.Presign(t.Context(), key, storage.PresignOptions{Expires: time.Minute})
	if err != nil || url == "" {
		t.Errorf("presign = %q, %v, want a URL", url, err)
	}
}
