package bench

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/sreg-project/sreg/internal/bench/worlds"
)

// largeWorld is the rows about a store that is bigger than most.
type largeWorld struct {
	*stage
	stock worlds.Stock
	store string
}

func largeWorldGroup(s *stage) group {
	l := &largeWorld{stage: s}
	over := " over " + thousands(s.size.largeWorld) + " blobs: peak RSS"
	return group{name: "large world", setUp: l.setUp, rows: []row{
		{"gc-plan-memory", "gc --dry-run" + over, limit{atMost, 512, "MiB"}, l.plan},
		{"gc-memory", "gc" + over, limit{atMost, 512, "MiB"}, l.collect},
	}}
}

func (l *largeWorld) setUp(ctx context.Context) (err error) {
	l.store = filepath.Join(l.dir, "world")
	l.stock, err = worldOf(l.size.largeWorld).WriteSreg(ctx, l.store)
	return err
}

func (l *largeWorld) plan(ctx context.Context) (figures, error) {
	var f figures
	for range min(l.size.rounds, memoryRuns) {
		done, err := l.runJob(ctx, collector(l.programs.subject, "--dry-run", "-o", "json"), l.store)
		if err != nil {
			return figures{}, err
		}
		if err := checkPlan(done.output, l.stock); err != nil {
			return figures{}, err
		}
		f = f.with(done)
	}
	return f, nil
}

// collect condemns the garbage, so it comes last, and once.
func (l *largeWorld) collect(ctx context.Context) (figures, error) {
	done, err := l.runJob(ctx, collector(l.programs.subject), l.store)
	if err != nil {
		return figures{}, err
	}
	return figures{}.with(done), nil
}

// with adds a run whose memory is judged; the last one's time is shown.
func (f figures) with(done outcome) figures {
	f.samples = append(f.samples, float64(done.peak)/(1<<20))
	f.detail = fmt.Sprintf("time %s, CPU %s", short(done.wall), short(done.cpu))
	return f
}

// thousands prints 1000000 as 1,000,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
