package registry_test

import (
	"errors"
	"io"
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestAnObjectIsLiveCondemnedOrGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	m := w.reg.Maintenance()
	w.must(w.pushImage(app, "one"), w.pushBlob(other, "layer two"))
	proposed := registry.Object{Kind: registry.KindLink, Namespace: app, Digest: ocitest.DigestOf("layer two")}
	w.put(proposed.Key(), []byte("a nonce"))
	w.must(m.Condemn(w.ctx, revisionOne))
	layer := registry.Object{Kind: registry.KindBlob, Digest: ocitest.DigestOf("layer one")}
	for _, tt := range []struct {
		name      string
		o         registry.Object
		exists    bool
		condemned bool
		stat      error
	}{
		{"live bytes", layer, true, false, nil},
		{"a live link", registry.Object{Kind: registry.KindLink, Namespace: app, Digest: layer.Digest}, true, false, nil},
		{"a proposed link", proposed, false, false, nil},
		{"a condemned manifest", revisionOne, true, true, nil},
		{"a tag that is not there", registry.Object{Kind: registry.KindTag, Namespace: app, Tag: tagV1}, false, false, registry.ErrGone},
	} {
		exists, err := m.Exists(w.ctx, tt.o)
		if exists != tt.exists || err != nil {
			t.Errorf("%s exists: %t, %v, want %t", tt.name, exists, err, tt.exists)
		}
		if info, err := m.Stat(w.ctx, tt.o); !errors.Is(err, tt.stat) || info.Condemned != tt.condemned {
			t.Errorf("%s is %+v, %v, want condemned %t and error %v", tt.name, info, err, tt.condemned, tt.stat)
		}
	}
	content, size, err := m.OpenObject(w.ctx, layer)
	w.must(err)
	defer content.Close()
	if got, err := io.ReadAll(content); string(got) != "layer one" || size != int64(len(got)) || err != nil {
		t.Errorf("the bytes are %q, %v, of %d", got, err, size)
	}
}
