package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// load is a number of operations, shared by clients that each have one connection.
type load struct {
	clients int
	ops     int
	op      func(c *client, i int) error
}

// usage is what a load took of one server.
type usage struct {
	wall, cpu time.Duration
	ops       int
}

func (u usage) wallEach() time.Duration { return u.wall / time.Duration(max(u.ops, 1)) }
func (u usage) cpuEach() time.Duration  { return u.cpu / time.Duration(max(u.ops, 1)) }

func (u usage) plus(other usage) usage {
	return usage{wall: u.wall + other.wall, cpu: u.cpu + other.cpu, ops: u.ops + other.ops}
}

// measure runs the load on the server, timed without the connecting.
func (s *server) measure(ctx context.Context, l load) (usage, error) {
	clients, err := dialAll(s.addr, l.clients)
	defer closeAll(clients)
	if err != nil {
		return usage{}, fmt.Errorf("connect to %s: %w", s.name, err)
	}
	stop := context.AfterFunc(ctx, func() { closeAll(clients) })
	defer stop()

	before, err := s.cpu()
	if err != nil {
		return usage{}, fmt.Errorf("read CPU of %s: %w", s.name, err)
	}
	began := time.Now()
	if err := l.run(clients); err != nil {
		return usage{}, fmt.Errorf("load %s: %w", s.name, err)
	}
	wall := time.Since(began)
	after, err := s.cpu()
	if err != nil {
		return usage{}, fmt.Errorf("read CPU of %s: %w", s.name, err)
	}
	return usage{wall: wall, cpu: after - before, ops: l.ops}, nil
}

func dialAll(addr string, n int) ([]*client, error) {
	var clients []*client
	for range n {
		c, err := dial(addr)
		if err != nil {
			return clients, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.close()
	}
}

// run does every operation once; the first error ends it.
func (l load) run(clients []*client) error {
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		once  sync.Once
		first error
	)
	for _, c := range clients {
		wg.Go(func() { // ends when no operation is left
			for i := next.Add(1) - 1; i < int64(l.ops); i = next.Add(1) - 1 {
				if err := l.op(c, int(i)); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(l.ops))
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}

// do runs something once, over a connection of its own: set-up and checks.
func (s *server) do(ctx context.Context, f func(c *client) error) error {
	_, err := s.measure(ctx, load{clients: 1, ops: 1, op: func(c *client, _ int) error { return f(c) }})
	return err
}

// repeat is the load of one request over and over.
func repeat(clients, ops int, req request) load {
	return load{clients: clients, ops: ops, op: func(c *client, _ int) error {
		_, err := c.do(req, nil)
		return err
	}}
}
