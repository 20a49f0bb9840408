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
	out   string        // the file for what it prints; beside it one for what it says meanwhile
	ended chan struct{} // closed when the process has been waited for
	took  time.Duration // from exec to the end; set before ended is closed
	err   error         // how it ended; likewise
}

// startJob runs a program on a folder. What it writes goes to files, so that no reader slows it down.
func (s *stage) startJob(ctx context.Context, p program, dir string) (*job, error) {
	args, err := p.args(dir)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.name, err)
	}
	s.started++
	j := &job{
		name: p.name, cmd: exec.CommandContext(ctx, p.path, args...), ended: make(chan struct{}),
		out: filepath.Join(s.dir, fmt.Sprintf("%02d-%s.out", s.started, p.name)),
	}
	stdout, outErr := os.Create(j.out)
	stderr, errErr := os.Create(j.out + ".err")
	defer stdout.Close() // the process has its own descriptors
	defer stderr.Close()
	j.cmd.Env = append(os.Environ(), p.env...)
	j.cmd.Dir = s.dir
	j.cmd.Stdout, j.cmd.Stderr = stdout, stderr
	began := time.Now()
	if err := errors.Join(outErr, errErr); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	if err := j.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() { // ends with the process
		j.err = j.cmd.Wait()
		j.took = time.Since(began)
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
	output, outErr := os.ReadFile(j.out)
	said, errErr := os.ReadFile(j.out + ".err")
	if err := errors.Join(j.err, outErr, errErr); err != nil {
		return outcome{}, fmt.Errorf("%s: %w: %.500s%.300s", j.name, err, said, output)
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
