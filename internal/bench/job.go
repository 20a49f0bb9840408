package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// job is a program on its way to its own end, as a collector is.
type job struct {
	name  string
	cmd   *exec.Cmd
	log   *os.File // what it writes
	began time.Time
	ended chan struct{} // closed when the process has been waited for
	took  time.Duration // from exec to the end; set before ended is closed
	err   error         // how it ended; likewise
}

// startJob runs a program on a folder. What it writes goes to a file, so that no reader slows it down.
func (s *stage) startJob(ctx context.Context, p program, dir string) (*job, error) {
	args, err := p.args(dir)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.name, err)
	}
	s.started++
	log, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("%02d-%s.out", s.started, p.name)))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log
	j := &job{name: p.name, cmd: cmd, log: log, began: time.Now(), ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.name, err), log.Close())
	}
	go func() { // ends with the process
		j.err = errors.Join(cmd.Wait(), log.Close())
		j.took = time.Since(j.began)
		close(j.ended)
	}()
	return j, nil
}

// outcome is what a job took, and wrote.
type outcome struct {
	usage
	peak   int64 // bytes of memory
	output []byte
}

// wait returns when the job has ended. One that fails is an error that quotes it.
func (j *job) wait() (outcome, error) {
	<-j.ended
	output, err := os.ReadFile(j.log.Name())
	if err := errors.Join(j.err, err); err != nil {
		return outcome{}, fmt.Errorf("%s: %w: %.500s", j.name, err, output)
	}
	used, ok := j.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return outcome{}, fmt.Errorf("%s: the system does not say what it used", j.name)
	}
	return outcome{
		usage: usage{wall: j.took, cpu: j.cmd.ProcessState.UserTime() + j.cmd.ProcessState.SystemTime(), ops: 1},
		// What this process held at the exec counts as a peak of the other one, too; it is less.
		peak:   used.Maxrss << 10,
		output: output,
	}, nil
}

// running says that the job has not ended.
func (j *job) running() bool {
	select {
	case <-j.ended:
		return false
	default:
		return true
	}
}

// runJob runs a program to its end.
func (s *stage) runJob(ctx context.Context, p program, dir string) (outcome, error) {
	j, err := s.startJob(ctx, p, dir)
	if err != nil {
		return outcome{}, err
	}
	return j.wait()
}
