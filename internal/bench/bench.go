// Package bench measures sreg beside a floor server and the Docker registry, and prints the table
// that docs/performance.md is written from.
// It promises ratios whose two sides ran in turns in one run, on servers in processes of their own,
// with answers that were checked before they were timed, and it leaves neither processes nor files.
// It must not know how sreg works inside: it speaks HTTP to a built binary and reads /proc, and the
// stores that are too big to push come from package worlds.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Options say what to measure, and with which binaries.
type Options struct {
	// Sreg and Peer are the built binaries; Floor is one that serves the floor when it is called
	// with "floor DIR".
	Sreg, Peer, Floor string
	// Subject stands in the place of sreg: "sreg", or "peer" or "floor" to see how far from 1.0 the
	// bench itself is.
	Subject string
	// Rounds is how often the sides of a row take turns.
	Rounds int
	// Only selects rows by their id; nil selects all.
	Only *regexp.Regexp
	// Collectors measures what collects garbage, over stores of many blobs, instead of all else.
	Collectors bool
	// World and LargeWorld are the blobs in those stores, and CollectRate what a collector may do in a
	// second where it is told; 0 is the default.
	World, LargeWorld, CollectRate int
	// S3 is the binary of versitygw. Where it is set, sreg and the Docker registry are measured on S3,
	// instead of all else.
	S3 string
	// Short makes everything tiny: a smoke run, its figures mean nothing.
	Short bool
	// Temp is where the servers keep their data: on the disk that the figures are meant for.
	Temp string
	// Progress gets a line for each step.
	Progress io.Writer
}

// row is one line of the table. Its measure runs after the setUp of its group.
type row struct {
	id      string
	work    string
	limit   limit
	measure func(context.Context) (figures, error)
}

// group is the rows that share what was pushed for them.
type group struct {
	name  string
	setUp func(context.Context) error
	rows  []row
}

// groups lists everything that can be measured, in the order of the table.
func groups(s *stage) []group {
	if s.opts.Collectors {
		return []group{collectorsGroup(s), largeWorldGroup(s)}
	}
	if s.opts.S3 != "" {
		return []group{s3Group(s)}
	}
	return []group{
		pullGroup(s), pushGroup(s), syncsGroup(s), manyTagsGroup(s), catalogGroup(s), referrersGroup(s), accessGroup(s), processGroup(s),
	}
}

// Run measures the selected rows. A row that cannot be measured carries its error and does not stop
// the others; an error is returned only when nothing more can be done.
//
// What the servers wrote is removed at the end of all: a file system without a journal does not use
// an inode again for minutes, so what one group removed would slow down each push of the next.
func Run(ctx context.Context, opts Options) (results []Result, err error) {
	stages, err := selectGroups(opts)
	if err != nil {
		return nil, err
	}
	top, err := os.MkdirTemp(opts.Temp, "sreg-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the servers: %w", err)
	}
	defer func() {
		if rerr := os.RemoveAll(top); rerr != nil && err == nil {
			err = fmt.Errorf("clean up: %w", rerr)
		}
	}()
	for _, g := range stages {
		rs, err := runGroup(ctx, g, top)
		results = append(results, rs...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

type stagedGroup struct {
	stage *stage
	group group
}

// selectGroups keeps what opts.Only matches, each group on a stage of its own.
func selectGroups(opts Options) ([]stagedGroup, error) {
	var picked []stagedGroup
	for i := range groups(&stage{opts: opts}) {
		s, err := newStage(opts)
		if err != nil {
			return nil, err
		}
		g := groups(s)[i]
		g.rows = matching(g.rows, opts.Only)
		if len(g.rows) > 0 {
			picked = append(picked, stagedGroup{s, g})
		}
	}
	if len(picked) == 0 {
		return nil, errors.New("select rows: none matches")
	}
	return picked, nil
}

func matching(rows []row, only *regexp.Regexp) []row {
	if only == nil {
		return rows
	}
	var kept []row
	for _, r := range rows {
		if only.MatchString(r.id) {
			kept = append(kept, r)
		}
	}
	return kept
}

func runGroup(ctx context.Context, g stagedGroup, top string) (results []Result, err error) {
	s := g.stage
	s.dir = filepath.Join(top, strings.ReplaceAll(g.group.name, " ", "-"))
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", g.group.name, err)
	}
	defer s.stopAll()

	began := time.Now()
	setUpErr := g.group.setUp(ctx)
	s.say("%s: set up in %.1fs", g.group.name, time.Since(began).Seconds())
	for _, r := range g.group.rows {
		if ctx.Err() != nil {
			return results, fmt.Errorf("measure %s: %w", r.id, context.Cause(ctx))
		}
		results = append(results, s.result(ctx, r, setUpErr))
	}
	return results, nil
}

func (s *stage) result(ctx context.Context, r row, setUpErr error) Result {
	began := time.Now()
	f, err := figures{}, setUpErr
	if err == nil {
		f, err = r.measure(ctx)
	}
	res := newResult(r, f, err)
	s.say("  %s: %s %s; %s (%.1fs)", r.id, res.Measured(), res.Verdict, res.Beside(), time.Since(began).Seconds())
	return res
}

// stage is what the rows of one group play on: a folder, the servers in it, and the sizes.
type stage struct {
	opts     Options
	size     sizes
	programs programs
	dir      string
	servers  []*server
	started  int
}

func newStage(opts Options) (*stage, error) {
	p, err := newPrograms(opts)
	if err != nil {
		return nil, err
	}
	return &stage{opts: opts, size: newSizes(opts), programs: p}, nil
}

// start runs a program on a new folder of its own.
func (s *stage) start(ctx context.Context, p program) (*server, error) {
	s.started++
	dir := filepath.Join(s.dir, fmt.Sprintf("%02d-%s", s.started, p.name))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", p.name, err)
	}
	return s.startOn(ctx, p, dir)
}

// startOn runs a program on a folder that an ended one left.
func (s *stage) startOn(ctx context.Context, p program, dir string) (*server, error) {
	srv, err := startServer(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	s.servers = append(s.servers, srv)
	return srv, nil
}

// discard ends a server and frees the space of its folder.
func (s *stage) discard(srv *server) error {
	if err := srv.stop(); err != nil {
		return err
	}
	return os.RemoveAll(srv.dir)
}

// stopAll ends what a row left running. What cannot be ended softly is killed, so there is nothing
// left to report.
func (s *stage) stopAll() {
	for _, srv := range s.servers {
		_ = srv.stop()
	}
	s.servers = nil
}

func (s *stage) say(format string, args ...any) {
	if s.opts.Progress == nil {
		return
	}
	_, _ = fmt.Fprintf(s.opts.Progress, format+"\n", args...) // progress that cannot be shown stops nothing
}
