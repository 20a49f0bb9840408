package bench

import (
	"context"
	"fmt"
	"time"
)

// memoryRuns is enough: the memory of a start hardly varies.
const memoryRuns = 3

// memory is the rows about one process of the subject.
type memory struct {
	*stage
	large *blobs
	busy  *server // took the parallel pushes and answers the pulls
}

func processGroup(s *stage) group {
	m := &memory{stage: s}
	return group{name: "memory", setUp: m.setUp, rows: []row{
		{"idle", "idle memory (RSS), after start", limit{atMost, 32, "MB"}, m.afterStart},
		{"idle-loaded", "idle memory (RSS), after a short load", limit{atMost, 32, "MB"}, m.afterLoad},
		{"parallel-push", "50 parallel pushes of 100 MiB: peak RSS", limit{atMost, 64, "MB above idle"}, m.parallelPushes},
		{"parallel-pull", "50 parallel pulls of 100 MiB: peak RSS", limit{atMost, 64, "MB above idle"}, m.parallelPulls},
	}}
}

func (m *memory) setUp(context.Context) (err error) {
	m.large, err = newBlobs(m.size.largeBlob, 5)
	return err
}

func (m *memory) afterStart(ctx context.Context) (figures, error) {
	return m.idle(ctx, func(*server) error { return nil })
}

// afterLoad lets the server settle after pushes and pulls of small images.
func (m *memory) afterLoad(ctx context.Context) (figures, error) {
	images := newImages(m.size.layer, m.size.imagePushes, 6)
	return m.idle(ctx, func(srv *server) error {
		if _, err := srv.measure(ctx, pushImages(fewTagsNamespace, "t", images)); err != nil {
			return err
		}
		_, err := srv.measure(ctx, repeat(manyClients, m.size.gets/4, get(manifestPath(fewTagsNamespace, "t0"))))
		return err
	})
}

func (m *memory) idle(ctx context.Context, load func(*server) error) (figures, error) {
	var f figures
	for range min(m.size.rounds, memoryRuns) {
		srv, err := m.start(ctx, m.programs.subject)
		if err != nil {
			return figures{}, err
		}
		if err := load(srv); err != nil {
			return figures{}, err
		}
		held, err := m.settled(srv)
		if err != nil {
			return figures{}, err
		}
		f.samples = append(f.samples, megabytes(held))
		if err := m.discard(srv); err != nil {
			return figures{}, err
		}
	}
	return f, nil
}

// settled is what the server holds after an idle second.
func (m *memory) settled(srv *server) (int64, error) {
	time.Sleep(m.size.idle)
	return srv.resident()
}

func (m *memory) parallelPushes(ctx context.Context) (figures, error) {
	srv, err := m.start(ctx, m.programs.subject)
	if err != nil {
		return figures{}, err
	}
	m.busy = srv
	return m.peakOf(ctx, srv, func(c *client, i int) error {
		b, err := m.large.make(uint64(i))
		if err != nil {
			return err
		}
		return c.pushBlob(blobsNamespace, b)
	})
}

// parallelPulls reads what parallelPushes left; when that row was not selected it pushes first.
func (m *memory) parallelPulls(ctx context.Context) (figures, error) {
	if m.busy == nil {
		if _, err := m.parallelPushes(ctx); err != nil {
			return figures{}, err
		}
	}
	if err := m.busy.stop(); err != nil {
		return figures{}, err
	}
	srv, err := m.startOn(ctx, m.programs.subject, m.busy.dir)
	if err != nil {
		return figures{}, err
	}
	defer func() { m.busy = nil }()
	f, err := m.peakOf(ctx, srv, func(c *client, i int) error {
		b, err := m.large.make(uint64(i))
		if err != nil {
			return err
		}
		_, err = c.do(get(blobPath(blobsNamespace, b.digest)), nil)
		return err
	})
	if err != nil {
		return figures{}, err
	}
	return f, m.discard(srv)
}

// peakOf runs an operation for every parallel client at once and says how far the memory rose over
// that of the idle server.
func (m *memory) peakOf(ctx context.Context, srv *server, op func(c *client, i int) error) (figures, error) {
	idle, err := m.settled(srv)
	if err != nil {
		return figures{}, err
	}
	if err := srv.resetPeak(); err != nil {
		return figures{}, fmt.Errorf("reset the peak of %s: %w", srv.name, err)
	}
	used, err := srv.measure(ctx, load{clients: m.size.parallel, ops: m.size.parallel, op: op})
	if err != nil {
		return figures{}, err
	}
	peak, err := srv.peak()
	if err != nil {
		return figures{}, err
	}
	return figures{
		samples: []float64{megabytes(peak - idle)},
		detail:  fmt.Sprintf("idle %.1f MB, peak %.1f MB, all done in %s", megabytes(idle), megabytes(peak), short(used.wall)),
	}, nil
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
