package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// syncsGroup counts with strace how often the servers ask the disk to sync: what a synced push mostly waits for.
func syncsGroup(s *stage) group {
	return group{name: "syncs", setUp: func(context.Context) error { return nil }, rows: []row{
		{"syncs-of-push", "syncs for a push of a small image, 8 clients, sync: true", limit{atMost, 0.5, "x Docker registry"}, s.syncsOfPush},
	}}
}

// tracedFile is where strace writes what a server on a folder has called.
func tracedFile(dir string) string { return dir + ".strace" }

// syncCalls are the system calls that wait for the disk.
var syncCalls = []string{"fsync", "fdatasync", "syncfs", "sync_file_range"}

// traced is a program whose syncs are counted. The tracer is its grandchild (-D), so that the process is the
// program's own.
func traced(p program) (program, error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return program{}, fmt.Errorf("count syncs: install strace: %w", err)
	}
	argsOf, path := p.args, p.path
	p.name, p.path = p.name+"-traced", strace
	p.args = func(dir string) ([]string, error) {
		args, err := argsOf(dir)
		tracer := []string{"-D", "-f", "-c", "-U", "name,calls", "-e", "trace=" + strings.Join(syncCalls, ","), "-o", tracedFile(dir), path}
		return append(tracer, args...), err
	}
	return p, nil
}

func (s *stage) syncsOfPush(ctx context.Context) (figures, error) {
	var each [2]float64
	images := newImages(s.size.layer, s.size.imagePushes, 9)
	for i, of := range []program{s.programs.subject, s.programs.peer} {
		p, err := traced(of)
		if err != nil {
			return figures{}, err
		}
		srv, err := s.start(ctx, p)
		if err != nil {
			return figures{}, err
		}
		if _, err := srv.measure(ctx, pushImages(fewTagsNamespace, "t", images)); err != nil {
			return figures{}, err
		}
		if err := srv.stop(); err != nil {
			return figures{}, err
		}
		syncs, err := countedCalls(ctx, tracedFile(srv.dir))
		if err != nil {
			return figures{}, err
		}
		each[i] = float64(syncs) / float64(len(images))
	}
	if each[1] == 0 {
		return figures{}, fmt.Errorf("count syncs: got none of the %s", s.programs.peer.name)
	}
	return figures{samples: []float64{each[0] / each[1]}, detail: fmt.Sprintf("%s syncs : %s syncs", number(each[0]), number(each[1]))}, nil
}

// countedCalls reads the summary that strace writes when the last thread that it watches has ended.
func countedCalls(ctx context.Context, file string) (calls int, err error) {
	for {
		calls, whole, err := readSummary(file)
		if whole || err != nil {
			return calls, err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for %s: %w", file, ctx.Err())
		case <-time.After(startPoll):
		}
	}
}

// readSummary adds up the lines of the system calls that are counted. The last line of the whole is the total.
func readSummary(file string) (calls int, whole bool, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false, fmt.Errorf("read counted calls: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) != 2:
		case fields[0] == "total":
			whole = true
		case slices.Contains(syncCalls, fields[0]):
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				return 0, false, fmt.Errorf("read counted calls: %w", err)
			}
			calls += n
		}
	}
	return calls, whole, lines.Err()
}
