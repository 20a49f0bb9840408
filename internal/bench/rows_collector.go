package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sreg-project/sreg/internal/bench/worlds"
)

// worldAge is how old everything in a world is: older than any grace that a collector gives.
const worldAge = 72 * time.Hour

// collectors are the rows about worlds of a size that the Docker registry ends with, too.
type collectors struct {
	*stage
	world      worlds.World
	stock      worlds.Stock
	ours, peer string // the folders
}

func collectorsGroup(s *stage) group {
	c := &collectors{stage: s}
	blobs := thousands(s.size.worldBlobs)
	limited := fmt.Sprintf("small image push beside gc --concurrency 1 --rate %d", s.size.gcRate)
	return group{name: "collectors", setUp: c.setUp, rows: []row{
		{"gc-plan", "gc --dry-run over " + blobs + " blobs", limit{atLeast, 3, "x Docker registry"}, c.plan},
		{"gc-plan-one", "the same with --concurrency 1", limit{shown, 0, "x Docker registry"}, c.planOfOne},
		{"push-beside-gc", limited, limit{atMost, 1.15, "x without gc"}, c.pushBesideLimited},
		{"push-beside-gc-one", "the same beside gc --concurrency 1", limit{shown, 0, "x without gc"}, c.pushBesideOne},
		{"push-beside-gc-free", "the same beside gc without limits", limit{shown, 0, "x without gc"}, c.pushBesideFree},
	}}
}

func (c *collectors) setUp(ctx context.Context) (err error) {
	c.world = worldOf(c.size.worldBlobs)
	c.ours, c.peer = filepath.Join(c.dir, "world-sreg"), filepath.Join(c.dir, "world-peer")
	if c.stock, err = c.world.WriteSreg(ctx, c.ours); err != nil {
		return err
	}
	_, err = c.world.WriteDocker(ctx, c.peer)
	return err
}

func worldOf(blobs int) worlds.World {
	w := worlds.Sized(blobs)
	w.At = time.Now().Add(-worldAge)
	return w
}

func (c *collectors) plan(ctx context.Context) (figures, error) {
	return c.plans(ctx, "--dry-run", "-o", "json")
}

func (c *collectors) planOfOne(ctx context.Context) (figures, error) {
	return c.plans(ctx, "--dry-run", "-o", "json", "--concurrency", "1")
}

// plans lets both collectors say what they would remove, and compares what they say.
func (c *collectors) plans(ctx context.Context, flags ...string) (figures, error) {
	var ourPeak, peerPeak int64
	side := func(p program, dir string, peak *int64, check func([]byte, worlds.Stock) error) side {
		return func(ctx context.Context, _ int) (usage, error) {
			done, err := c.runJob(ctx, p, dir)
			if err != nil {
				return usage{}, err
			}
			*peak = max(*peak, done.peak)
			return done.usage, check(done.output, c.stock)
		}
	}
	ours := side(collector(c.programs.subject, flags...), c.ours, &ourPeak, checkPlan)
	theirs := side(peerCollector(c.opts.Peer), c.peer, &peerPeak, checkPeerPlan)
	// The first turns read what the page cache does not hold yet.
	for _, warmUp := range []func(context.Context, int) (usage, error){ours, theirs} {
		if _, err := warmUp(ctx, 0); err != nil {
			return figures{}, err
		}
	}
	f, err := c.contest(ctx, ours, theirs, bySpeed)
	f.detail += fmt.Sprintf(", peak %.0f MB : %.0f MB", megabytes(ourPeak), megabytes(peerPeak))
	return f, err
}

// collector is sreg's, with flags.
func collector(subject program, flags ...string) program {
	return program{name: "gc", path: subject.path, args: func(dir string) ([]string, error) {
		return slices.Concat([]string{"gc", "--data", dir}, flags), nil
	}}
}

// peerCollector is that of the Docker registry, which never removes anything here.
func peerCollector(path string) program {
	peer := peerProgram(path)
	return program{name: "garbage-collect", path: path, env: peer.env, args: func(dir string) ([]string, error) {
		file, err := writeConfig(dir, fmt.Sprintf(peerConfig, dir))
		return []string{"garbage-collect", "--dry-run", file}, err
	}}
}

// checkPlan compares what sreg says with what the world holds: all is seen, and the garbage goes with
// the links to it.
func checkPlan(output []byte, stock worlds.Stock) error {
	var report struct {
		Totals struct{ Namespaces, Tags, Manifests, Links, Blobs int }
		Plan   struct{ Condemn []struct{ Kind string } }
	}
	if err := json.Unmarshal(output, &report); err != nil {
		return fmt.Errorf("gc: want a plan in JSON, got %.300s", output)
	}
	condemned := map[string]int{}
	for _, thing := range report.Plan.Condemn {
		condemned[thing.Kind]++
	}
	seen := report.Totals
	got := worlds.Stock{
		Namespaces: seen.Namespaces, Tags: seen.Tags, Manifests: seen.Manifests, Links: seen.Links, Blobs: seen.Blobs,
		Garbage: condemned["blob"], Untagged: stock.Untagged, Referrers: stock.Referrers, // which no report counts
	}
	if got != stock || condemned["link"] != stock.Garbage || condemned["manifest"] != 0 {
		return fmt.Errorf("gc: want a plan for %+v, got one for %+v that condemns %v", stock, got, condemned)
	}
	return nil
}

var peerPlan = regexp.MustCompile(`(\d+) blobs marked, (\d+) blobs and 0 manifests eligible for deletion`)

// checkPeerPlan compares the last line with what the world holds. The Docker registry counts a
// manifest as a blob.
func checkPeerPlan(output []byte, stock worlds.Stock) error {
	found := peerPlan.FindSubmatch(output)
	if found == nil {
		return fmt.Errorf("garbage-collect: want a plan, got %.300s", output)
	}
	marked, garbage := strconv.Itoa(stock.Blobs-stock.Garbage+stock.Manifests), strconv.Itoa(stock.Garbage)
	if string(found[1]) != marked || string(found[2]) != garbage {
		return fmt.Errorf("garbage-collect: want %s blobs marked and %s eligible, got %s", marked, garbage, found[0])
	}
	return nil
}

func (c *collectors) pushBesideLimited(ctx context.Context) (figures, error) {
	return c.pushBeside(ctx, "--concurrency", "1", "--rate", strconv.Itoa(c.size.gcRate))
}

func (c *collectors) pushBesideOne(ctx context.Context) (figures, error) {
	return c.pushBeside(ctx, "--concurrency", "1")
}

func (c *collectors) pushBesideFree(ctx context.Context) (figures, error) {
	return c.pushBeside(ctx)
}

// pushBeside pushes while a collector really runs, from its begin to its end, and as many times
// without one, half of them before and half after. A world can be collected once, so each round has
// a world of its own.
func (c *collectors) pushBeside(ctx context.Context, flags ...string) (figures, error) {
	var beside, alone []usage
	var runs []float64
	for range min(c.size.rounds, besideRounds) {
		with, without, run, err := c.pushRound(ctx, flags)
		if err != nil {
			return figures{}, err
		}
		beside, alone, runs = append(beside, with), append(alone, without), append(runs, run.Seconds())
	}
	f := decide(beside, alone, byWall)
	f.detail += fmt.Sprintf(", gc ran for %s s", number(median(runs)))
	return f, nil
}

// besideRounds is few: a round is a whole run of the collector.
const besideRounds = 3

func (c *collectors) pushRound(ctx context.Context, flags []string) (beside, alone usage, run time.Duration, err error) {
	c.started++
	dir := filepath.Join(c.dir, fmt.Sprintf("%02d-world", c.started))
	if _, err := c.world.WriteSreg(ctx, dir); err != nil {
		return beside, alone, 0, err
	}
	srv, err := c.startOn(ctx, c.programs.subject, dir)
	if err != nil {
		return beside, alone, 0, err
	}
	pushes := &pusher{stage: c.stage, server: srv}
	if _, err := pushes.batches(ctx, 1); err != nil { // warms up
		return beside, alone, 0, err
	}
	if alone, err = pushes.batches(ctx, c.size.besideBatches); err != nil {
		return beside, alone, 0, err
	}
	gc, err := c.startJob(ctx, collector(c.programs.subject, flags...), dir)
	if err != nil {
		return beside, alone, 0, err
	}
	for more := true; more; more = gc.running() {
		used, err := pushes.batches(ctx, 1)
		if err != nil {
			return beside, alone, 0, err
		}
		beside = beside.plus(used)
	}
	done, err := gc.wait()
	if err != nil {
		return beside, alone, 0, err
	}
	after, err := pushes.batches(ctx, c.size.besideBatches)
	if err != nil {
		return beside, alone, 0, err
	}
	return beside, alone.plus(after), done.wall, srv.stop()
}

// pusher pushes small images to one server, batch after batch, each of them new.
type pusher struct {
	*stage
	server *server
	pushed int
}

func (p *pusher) batches(ctx context.Context, n int) (total usage, err error) {
	for range n {
		images := newImages(p.size.layer, p.size.besidePushes, seedOf(p.server, uint64(p.pushed)))
		used, err := p.server.measure(ctx, pushImages(fewTagsNamespace, fmt.Sprintf("p%d-", p.pushed), images))
		if err != nil {
			return usage{}, err
		}
		p.pushed += len(images)
		total = total.plus(used)
	}
	return total, nil
}
