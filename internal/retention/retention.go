package retention

import (
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/registry"
)

// Retention asks the keep rules of a configuration about images of a registry.
type Retention struct{ rules *policy.KeepChain }

// New makes a Retention of the rules.
func New(rules *policy.KeepChain) *Retention { return &Retention{rules} }

// Rules reports whether there is any rule for a namespace. Without rules everything is kept.
func (r *Retention) Rules(ns oci.Name) bool { return len(r.rules.Of(ns)) > 0 }

// Names are those of the rules for a namespace.
func (r *Retention) Names(ns oci.Name) (names []string) {
	for _, keep := range r.rules.Of(ns) {
		names = append(names, keep.Names()...)
	}
	return names
}

// Decide asks the rules about all images of a namespace. The verdicts are in the order of the images.
func (r *Retention) Decide(ns oci.Name, now time.Time, images []registry.Image) []registry.Verdict {
	asked := make([]policy.Image, len(images))
	for i, image := range images {
		asked[i] = policy.Image{
			Tag: image.Tag.String(), PushedAt: image.PushedAt.Unix(), PushedNanos: int64(image.PushedAt.Nanosecond()), Size: image.Size, MediaType: image.MediaType,
			LastPush: image.LastPush, Platforms: image.Platforms, Annotations: image.Annotations,
		}
		if !image.LastPulledAt.IsZero() {
			asked[i].LastPulledAt = image.LastPulledAt.Unix()
		}
	}
	verdicts := make([]registry.Verdict, len(images))
	among, rules := policy.NewImages(now, asked), r.rules.Of(ns)
	for i := range verdicts {
		decision := among.Decide(i, rules...)
		verdicts[i] = registry.Verdict{Kept: decision.Kept, Rule: decision.Rule}
		for _, failed := range decision.Failed {
			verdicts[i].Failed = append(verdicts[i].Failed, fmt.Sprintf("rule %s fails, and so keeps it: %v", failed.Rule, failed.Err))
		}
	}
	return verdicts
}
