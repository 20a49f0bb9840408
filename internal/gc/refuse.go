package gc

import (
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/registry"
)

// maxBehind is how far the clock may be behind the newest record: clocks of replicas differ.
const maxBehind = 24 * time.Hour

// refuse keeps a plan from being carried out that nobody can have meant.
func (r *run) refuse() error {
	p, totals := r.plan, r.plan.Totals
	if len(p.Problems) > 0 {
		for _, problem := range p.Problems {
			r.fail(fmt.Errorf("%s", problem))
		}
		return &RefusedError{
			Why: fmt.Sprintf("%d of the records cannot be read, and what they name must not be taken for unneeded; nothing was removed. The first: %s", len(p.Problems), p.Problems[0]),
			Do:  "sreg gc verify --repair mends what can be mended; restore the file from a backup, or delete what it belongs to",
		}
	}
	if behind := r.newest.Sub(r.began); behind > maxBehind {
		return &RefusedError{
			Why: fmt.Sprintf("the clock says %s, and the store has records of %s", r.began.UTC().Format(time.RFC3339), r.newest.UTC().Format(time.RFC3339)),
			Do:  "set the clock of this computer right",
		}
	}
	if r.spaces == 0 && totals.Blobs > 0 && r.opts.Only != RetentionPart {
		return &RefusedError{
			Why: fmt.Sprintf("the metadata store has no namespace, and the blob store %d blobs, which all would go", totals.Blobs),
			Do:  "look whether storage.metadata is the folder that belongs to storage.blobs, and whole",
		}
	}
	return r.refuseShare()
}

// refuseShare compares what would go with what there is.
func (r *run) refuseShare() error {
	limit, confirmed := r.maxDelete, false
	if r.opts.MaxDelete != nil {
		limit, confirmed = *r.opts.MaxDelete, *r.opts.MaxDelete == 100
	}
	p := r.plan
	if n := int64(len(p.Tags)); n > 0 && n == p.Totals.Tags && !confirmed && r.opts.Only != CollectPart {
		return &RefusedError{
			Why: fmt.Sprintf("the rules of retention keep no tag at all, and all %d would go", n),
			Do:  "look at the rules with sreg gc --dry-run; if all shall go, say --max-delete 100%",
		}
	}
	for _, share := range []struct {
		what  string
		gone  int64
		total int64
	}{
		{"tags", int64(len(p.Tags)), p.Totals.Tags},
		{"manifests", p.condemned(registry.KindManifest), p.Totals.Manifests},
		{"blobs", p.condemned(registry.KindBlob), p.Totals.Blobs},
	} {
		if share.total == 0 {
			continue
		}
		if percent := 100 * float64(share.gone) / float64(share.total); percent > limit {
			return &RefusedError{
				Why: fmt.Sprintf("%d of %d %s would go, which is %.1f%%, and at most %g%% may", share.gone, share.total, share.what, percent, limit),
				Do:  "look at the plan with sreg gc --dry-run; then say --max-delete with a larger share, or set gc.max_delete",
			}
		}
	}
	return nil
}
