package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// figures are what a row measured: one judged figure a round, and the rest in words.
type figures struct {
	samples []float64
	detail  string
}

// side is one contestant of a row: it runs its load of that round and says what it took.
type side func(ctx context.Context, round int) (usage, error)

// judge makes the figure of a round from what both sides took.
type judge func(ours, theirs usage) float64

// byWall compares the time an operation takes with the machine to itself: lower is better.
func byWall(ours, theirs usage) float64 { return ratio(ours.wallEach(), theirs.wallEach()) }

// byCPU compares the CPU time of the servers alone: lower is better.
func byCPU(ours, theirs usage) float64 { return ratio(ours.cpuEach(), theirs.cpuEach()) }

// bySpeed is how many times faster we are: higher is better.
func bySpeed(ours, theirs usage) float64 { return ratio(theirs.wallEach(), ours.wallEach()) }

// ratio of something to nothing is taken as to one nanosecond, so that a coarse clock in a tiny run
// gives a large number and not an infinite one.
func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// contest lets two sides take turns, the first of each round by turns too, so that whatever else
// the machine does in these seconds meets both.
func (s *stage) contest(ctx context.Context, ours, theirs side, by judge) (figures, error) {
	var us, them []usage
	for round := range s.size.rounds {
		var u, t usage
		turns := []func() error{
			func() (err error) { u, err = ours(ctx, round); return err },
			func() (err error) { t, err = theirs(ctx, round); return err },
		}
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return figures{}, err
			}
		}
		us, them = append(us, u), append(them, t)
	}
	return decide(us, them, by), nil
}

func decide(us, them []usage, by judge) figures {
	var f figures
	for i := range us {
		f.samples = append(f.samples, by(us[i], them[i]))
	}
	wall, theirWall := medianOf(us, usage.wallEach), medianOf(them, usage.wallEach)
	cpu, theirCPU := medianOf(us, usage.cpuEach), medianOf(them, usage.cpuEach)
	f.detail = fmt.Sprintf("time %s : %s, CPU %s : %s", short(wall), short(theirWall), short(cpu), short(theirCPU))
	if theirCPU > 0 {
		f.detail += fmt.Sprintf(" (%s x)", number(ratio(cpu, theirCPU)))
	}
	return f
}

func medianOf(us []usage, of func(usage) time.Duration) time.Duration {
	var all []float64
	for _, u := range us {
		all = append(all, float64(of(u)))
	}
	return time.Duration(median(all))
}

// short prints a duration with three digits that count.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g us", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

// on is the side that runs the same load on a server each round.
func on(srv *server, l load) side {
	return func(ctx context.Context, _ int) (usage, error) { return srv.measure(ctx, l) }
}

// warm runs a tenth of each load, so that no first round pays for cold caches and new connections.
func warm(ctx context.Context, l load, servers ...*server) error {
	l.ops = max(l.ops/10, 1)
	for _, srv := range servers {
		if _, err := srv.measure(ctx, l); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	return nil
}

// compare is the common row: warm both servers with a load each, then let them take turns.
func (s *stage) compare(ctx context.Context, ours, theirs timed, by judge) (figures, error) {
	if err := warm(ctx, ours.load, ours.server); err != nil {
		return figures{}, err
	}
	if err := warm(ctx, theirs.load, theirs.server); err != nil {
		return figures{}, err
	}
	return s.contest(ctx, on(ours.server, ours.load), on(theirs.server, theirs.load), by)
}

// timed is a load and the server that it runs on.
type timed struct {
	server *server
	load   load
}
