package gc

import (
	"context"
	"fmt"
	"sync/atomic"
)

// phase counts what one phase of a run has done, and reports it to RunOptions.Progress.
type phase struct {
	name           string
	total          int64
	objects, bytes atomic.Int64
	tell           func(Progress)
}

// begin begins a phase over so many objects; 0 is not known.
func (r *run) begin(name string, total int) {
	r.phase = &phase{name: name, total: int64(total), tell: r.opts.Progress}
}

// add counts objects and their bytes.
func (p *phase) add(objects, bytes int64) {
	o, b := p.objects.Add(objects), p.bytes.Add(bytes)
	if p.tell != nil {
		p.tell(Progress{Phase: p.name, Objects: o, Bytes: b, Total: p.total})
	}
}

// end reports the last count, also of a phase that had nothing to do.
func (p *phase) end() { p.add(0, 0) }

// wait is called before each object, and keeps the run to its rate.
func (r *run) wait(ctx context.Context) error {
	if err := r.limiter.Wait(ctx); err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	return nil
}
