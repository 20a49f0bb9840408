package gc

import (
	"context"

	"github.com/sreg-project/sreg/internal/registry"
)

// RunInWrongOrder condemns before it destroys, and destroys by the same mark also what it has just condemned.
// It is there to show that the race test fails with it.
func (c *Collector) RunInWrongOrder(ctx context.Context, opts RunOptions) (*Report, error) {
	held, release, err := c.registry.ClaimCollector(ctx, opts.Holder)
	if err != nil {
		return nil, err
	}
	defer release()
	r := c.newRun(opts)
	for _, step := range []func(context.Context) error{
		r.mark,
		func(context.Context) error { return r.refuse() },
		r.revive,
		r.condemn,
		func(context.Context) error {
			for _, planned := range r.plan.Condemn {
				planned.condemned = &registry.Condemned{Object: planned.Object}
				r.plan.Destroy = append(r.plan.Destroy, planned)
			}
			return nil
		},
		r.destroy,
	} {
		if err := step(held); err != nil {
			return r.report, err
		}
	}
	return r.report, nil
}
