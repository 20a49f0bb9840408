package gc_test

import (
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestAPushRevivesIndexesHoweverDeep(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	p.trash = time.Hour
	deepest, _ := p.image("one")
	top := ocitest.Image("one")
	index := func(tags ...string) {
		top = ocitest.Index(top)
		p.manifest(top.Content, tags...)
	}
	for range 30 {
		index()
	}
	if report, err := p.collect(1); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	thing := registry.Object{Kind: registry.KindManifest, Namespace: p.ns, Digest: deepest}
	if info, err := p.reg.Maintenance().Stat(t.Context(), thing); err != nil || !info.Condemned {
		t.Fatalf("got %+v, %v, want it condemned", info, err)
	}
	index("v1")
	if info, err := p.reg.Maintenance().Stat(t.Context(), thing); err != nil || info.Condemned {
		t.Errorf("got %+v, %v, want it live once an index was acknowledged that needs it", info, err)
	}
}
