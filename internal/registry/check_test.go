package registry_test

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// TestAVerificationReadsRecordsAsTheyAre: it does not revive what is condemned, and tells what is damaged.
func TestAVerificationReadsRecordsAsTheyAre(t *testing.T) {
	t.Parallel()
	referrer := imageTwo.Refer(imageOne)
	tag := registry.Object{Kind: registry.KindTag, Namespace: app, Tag: tagV1}
	entry := registry.Object{Kind: registry.KindReferrer, Namespace: app, Subject: imageOne.Digest, Digest: referrer.Digest}
	other := `{"descriptor":{"mediaType":"a/b","digest":"` + imageTwo.Digest.String() + `","size":1},"nonce":"x"}`
	for _, tt := range []struct {
		name         string
		tag, entry   string // what is written there; "-" nothing
		wantTag      error
		wantReferrer error
	}{
		{"whole", "-", "-", nil, nil},
		{"empty", "", "", registry.ErrDamaged, registry.ErrDamaged},
		{"no JSON", "{", "{", registry.ErrDamaged, registry.ErrDamaged},
		{"of nothing", "{}", "{}", registry.ErrDamaged, registry.ErrDamaged},
		{"of something else", `{"digest":"` + imageTwo.Digest.String() + `"}`, other, nil, registry.ErrDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			w.must(w.pushImage(app, "one", tagV1), w.pushImage(app, "two"), w.pushManifest(app, referrer.Content))
			for o, data := range map[registry.Object]string{tag: tt.tag, entry: tt.entry} {
				if data != "-" {
					w.put(o.Key(), []byte(data))
				}
				w.must(w.store.Condemn(w.ctx, o.Key()))
			}
			m := w.reg.Maintenance()
			want := map[string]oci.Digest{"whole": imageOne.Digest, "of something else": imageTwo.Digest}[tt.name]
			if got, err := m.ReadTag(w.ctx, app, tagV1); !errors.Is(err, tt.wantTag) || got != want {
				t.Errorf("the tag stands for %s, %v, want %s, %v", got, err, want, tt.wantTag)
			}
			if err := m.CheckReferrer(w.ctx, app, imageOne.Digest, referrer.Digest); !errors.Is(err, tt.wantReferrer) {
				t.Errorf("the referrer entry: got %v, want %v", err, tt.wantReferrer)
			}
			if info, err := m.Stat(w.ctx, tag); err != nil || !info.Condemned {
				t.Errorf("the tag is %+v, %v, want it condemned still", info, err)
			}
		})
	}
}
