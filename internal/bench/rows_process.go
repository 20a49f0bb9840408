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
		{"left-alone", "idle memory (RSS), a minute after 10,000 tags, 5,000 namespaces, their listings, pushes and pulls", limit{atMost, 64, "MB"}, m.leftAlone},
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

// leftAlone fills one server with what the other rows work on, asks for all of it, and leaves it alone for
// a minute: what is held then are the caches.
func (m *memory) leftAlone(ctx context.Context) (figures, error) {
	srv, err := m.start(ctx, m.programs.subject)
	if err != nil {
		return figures{}, err
	}
	img := newImage(m.size.layer, 7)
	if err := fillTags(ctx, srv, manyTagsNamespace, img, m.size.manyTags); err != nil {
		return figures{}, err
	}
	if err := fillNamespaces(ctx, srv, img, m.size.namespaces); err != nil {
		return figures{}, err
	}
	time.Sleep(m.size.settle)
	images := newImages(m.size.layer, m.size.imagePushes, 8)
	loads := []load{
		pushImages(fewTagsNamespace, "t", images),
		{clients: someClients, ops: 2 * m.size.manyTags, op: func(c *client, i int) error {
			_, err := c.do(get(manifestPath(manyTagsNamespace, tagName(i%m.size.manyTags))), nil)
			return err
		}},
		{clients: someClients, ops: m.size.namespaces, op: func(c *client, i int) error {
			_, err := c.do(get(manifestPath(namespaceName(i), "latest")), nil)
			return err
		}},
		repeat(someClients, m.size.pages, get("/v2/"+manyTagsNamespace+"/tags/list")),
		repeat(someClients, m.size.pages, get("/v2/_catalog")),
		repeat(manyClients, m.size.gets, get(blobPath(manyTagsNamespace, img.layer.digest))),
	}
	for _, l := range loads {
		if _, err := srv.measure(ctx, l); err != nil {
			return figures{}, err
		}
	}
	busy, err := srv.resident()
	if err != nil {
		return figures{}, err
	}
	time.Sleep(m.size.left)
	held, err := srv.resident()
	if err != nil {
		return figures{}, err
	}
	f := figures{samples: []float64{megabytes(held)}, detail: fmt.Sprintf("%.1f MB when the load ended", megabytes(busy))}
	return f, m.discard(srv)
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
