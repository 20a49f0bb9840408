package gc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/timespan"
)

// protected tells whether something was restored so lately that it stays whatever the rules say.
func (r *run) protected(restored time.Time) bool {
	return !r.unprotected && !restored.IsZero() && r.began.Sub(restored) < r.config.Trash
}

func (r *run) whyProtected(restored time.Time) string {
	return fmt.Sprintf("it was restored at %s, and stays for gc.trash (%s) from then on, whatever the rules say",
		restored.UTC().Format(time.RFC3339), timespan.Text(r.config.Trash))
}

// Prospect is what becomes of what was restored now.
type Prospect struct {
	Until time.Time // it stays until then
	Rules []string  // of retention, which are asked then
	// Tags and Manifests are those of the namespace that will go then, as things stand.
	Tags      map[oci.Tag]bool
	Manifests map[oci.Digest]bool
}

// Prospect tells until when what is restored now into a namespace stays, and what goes then.
func (c *Collector) Prospect(ctx context.Context, ns oci.Name) (Prospect, error) {
	p := Prospect{Until: c.now().Add(c.config.Trash), Tags: map[oci.Tag]bool{}, Manifests: map[oci.Digest]bool{}}
	if namer, ok := c.retention.(RuleNamer); ok {
		p.Rules = namer.Names(ns)
	}
	r := c.newRun(RunOptions{DryRun: true})
	r.began, r.unprotected = p.Until.Add(c.config.Grace), true
	r.begin("mark", 0)
	defer r.phase.end()
	err := r.markNamespace(ctx, ns, nil)
	for _, problem := range r.plan.Problems {
		err = errors.Join(err, errors.New(problem))
	}
	for _, tag := range r.plan.Tags {
		p.Tags[tag.stored.Tag] = true
	}
	for _, planned := range r.plan.Condemn {
		if planned.Kind == registry.KindManifest {
			p.Manifests[planned.Digest] = true
		}
	}
	return p, err
}
