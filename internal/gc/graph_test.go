package gc

import (
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// dropAll is a Retention whose rules keep nothing, and that must not be asked here.
type dropAll struct{ t *testing.T }

func (dropAll) Rules(oci.Name) bool { return true }

func (d dropAll) Decide(oci.Name, time.Time, []registry.Image) []registry.Verdict {
	d.t.Error("rules were asked about images whose annotations are not in memory")
	return nil
}

// TestTooManyAnnotationsKeepTheirNamespace: who pushes them must not choose how much memory a run takes, nor
// what a rule sees of them.
func TestTooManyAnnotationsKeepTheirNamespace(t *testing.T) {
	t.Parallel()
	ns, err := oci.ParseName("app")
	if err != nil {
		t.Fatal(err)
	}
	var numbers digests
	g := newGraph(ns, func(d oci.Digest) uint32 { n, _ := numbers.number(d); return n })
	g.images = true
	text := strings.Repeat("x", maxAnnotations/4)
	inMemory := 0
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		d := oci.DigestOf(oci.SHA256, []byte(name))
		g.add(&registry.Manifest{Digest: d}, oci.Manifest{Annotations: oci.Annotations(`{"a":"` + text + `"}`)})
		inMemory += len(g.nodes[g.index[d]].image.Annotations["a"])
	}
	if inMemory > maxAnnotations {
		t.Errorf("%d bytes of annotations are in memory, want at most %d", inMemory, maxAnnotations)
	}
	c, err := New(Options{Config: DefaultConfig(), Retention: dropAll{t}})
	if err != nil {
		t.Fatal(err)
	}
	r := c.newRun(RunOptions{})
	if _, err := r.askRules(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if g.whyNotAsked == "" || r.report.ErrorCount != 1 || !strings.Contains(r.report.Errors[0], "annotations") {
		t.Errorf("whyNotAsked is %q with the errors %q, want a reason and one error", g.whyNotAsked, r.report.Errors)
	}
}
