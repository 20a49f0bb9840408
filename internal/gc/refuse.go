package gc

import (
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/registry"
)

// maxBehind is how far the clock may be behind the newest record: clocks of instances differ.
const maxBehind = 24 * time.Hour

// refuse stops a plan that nobody can have meant.
func (r *run) refuse() error {
	if problems := r.plan.Problems; len(problems) > 0 {
		for _, problem := range problems {
			r.fail(errors.New(problem))
		}
		return &RefusedError{
			Why: fmt.Sprintf("nothing was removed: %s, and what is named there must not be taken for unneeded; the first is: %s", unread(len(problems)), problems[0]),
			Do: "a key is the path of a file below the folder of the store, or of an object below its prefix: sreg gc verify --repair mends what can be mended; else restore it from a backup, " +
				"or move it away, and what it stands for is gone",
		}
	}
	if behind := r.newest.PushedAt.Sub(r.began); behind > maxBehind {
		newest := nameOf(r.newest.namespace, r.newest.Image)
		return &RefusedError{
			Why: fmt.Sprintf("the clock says %s, and %s was pushed at %s", r.began.UTC().Format(time.RFC3339), newest, r.newest.PushedAt.UTC().Format(time.RFC3339)),
			Do:  fmt.Sprintf("set the clock of this computer right; if it is, the clock was wrong when %s was pushed: push that again, or delete it", newest),
		}
	}
	// The metadata store has lost its namespaces. One of another blob store, or an empty one, is refused when the
	// stores are opened.
	if r.namespaces == 0 && r.unexplained > 0 && !r.confirmed() {
		return &RefusedError{
			Why: fmt.Sprintf("the metadata store has no namespace at all, and %d blobs would go that nobody deleted", r.unexplained),
			Do:  "look whether the metadata store is whole, and restore it if it is not; if all shall go, say --max-delete 100%",
		}
	}
	return r.refuseShare()
}

// unread says how many places cannot be read.
func unread(problems int) string {
	if problems == 1 {
		return "one place in the store cannot be read"
	}
	return fmt.Sprintf("%d places in the store cannot be read", problems)
}

// confirmed tells whether somebody said that all may go.
func (r *run) confirmed() bool { return r.opts.MaxDelete != nil && *r.opts.MaxDelete == 100 }

// refuseShare compares what would go with what there is.
func (r *run) refuseShare() error {
	limit := r.maxDelete
	if r.opts.MaxDelete != nil {
		limit = *r.opts.MaxDelete
	}
	p := r.plan
	if n := int64(len(p.Tags)); n > 0 && n == p.Totals.Tags && !r.confirmed() && r.opts.Only != CollectPart {
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
