package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
	startPoll    = 250 * time.Microsecond
)

// server is a running program, alone in its process, and the folder that it keeps its data in.
type server struct {
	process
	name  string
	addr  string
	dir   string
	ready time.Duration // from exec to the first 200 on /v2/
	// silent is as in program.
	silent bool
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process is gone and has been waited for
}

// startServer runs the program and returns when it answers /v2/, if only that one has to sign in.
func startServer(ctx context.Context, p program, dir string) (*server, error) {
	args, err := p.args(dir)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.name, err)
	}
	log, err := os.Create(dir + ".log")
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	defer func() { _ = log.Close() }() // the process has its own descriptor

	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Dir = filepath.Dir(dir)
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	s := &server{process: process(cmd.Process.Pid), name: p.name, dir: dir, silent: p.silent, cmd: cmd, ended: make(chan struct{})}
	go func() { // ends with the process
		_ = cmd.Wait() // how it ended matters only while it starts, and then its log says more
		close(s.ended)
	}()
	if err := s.await(ctx); err != nil {
		_ = s.stop()
		output, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start %s: %w: %s", p.name, err, output)
	}
	s.ready = time.Since(began)
	return s, nil
}

// await polls until the server answers.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("no answer in time"))
	defer cancel()
	for {
		if s.answers(ctx) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ended:
			return errors.New("it ended")
		case <-time.After(startPoll):
		}
	}
}

func (s *server) answers(ctx context.Context) bool {
	if s.addr == "" {
		addr, err := s.listening()
		if err != nil {
			return false
		}
		s.addr = addr
	}
	if s.silent {
		return accepts(ctx, s.addr)
	}
	challenge := get("/v2/")
	challenge.want = http.StatusUnauthorized // of a server that knows users
	return s.answersWith(get("/v2/")) || s.answersWith(challenge)
}

func (s *server) answersWith(req request) bool {
	c, err := dial(s.addr)
	if err != nil {
		return false
	}
	defer c.close()
	_, err = c.do(req, nil)
	return err == nil
}

// stop ends the server: softly, so that it leaves its folder as an operator's would be, and by force
// when that takes too long. Stopping what has ended does nothing.
func (s *server) stop() error {
	select {
	case <-s.ended:
		return nil
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it can only have ended already
	select {
	case <-s.ended:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = s.cmd.Process.Kill() // likewise
	<-s.ended
	return fmt.Errorf("stop %s: killed after %s", s.name, stopTimeout)
}
