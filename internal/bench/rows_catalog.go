package bench

import (
	"context"
	"fmt"
)

// catalog is 5,000 namespaces on the subject and the peer.
type catalog struct {
	*stage
	sreg, peer *server
}

func catalogGroup(s *stage) group {
	c := &catalog{stage: s}
	return group{name: "many namespaces", setUp: c.setUp, rows: []row{
		{"catalog-page", "first catalog page of 100 from 5,000 namespaces", limit{atMost, 0.1, "x Docker registry"}, c.page},
		{"start-5000", "start to first answer, 5,000 namespaces", limit{atMost, 60, "ms"}, c.startAgain},
		{"start-empty", "start to first answer, empty", limit{atMost, 60, "ms"}, c.startEmpty},
	}}
}

func (c *catalog) setUp(ctx context.Context) error {
	image := newImage(c.size.layer, 1)
	for _, side := range []struct {
		at **server
		of program
	}{{&c.sreg, c.programs.subject}, {&c.peer, c.programs.peer}} {
		srv, err := c.start(ctx, side.of)
		if err != nil {
			return err
		}
		if err := fillNamespaces(ctx, srv, image, c.size.namespaces); err != nil {
			return err
		}
		*side.at = srv
	}
	return nil
}

func (c *catalog) page(ctx context.Context) (figures, error) {
	return c.listing(ctx, c.sreg, c.peer, listing{
		path: fmt.Sprintf("/v2/_catalog?n=%d", c.size.page), key: "repositories", want: c.size.page,
	})
}

// startAgain starts the subject on the full folder, time after time.
func (c *catalog) startAgain(ctx context.Context) (figures, error) {
	srv := c.sreg
	return c.starts(func() (_ *server, err error) {
		if err := srv.stop(); err != nil {
			return nil, err
		}
		srv, err = c.startOn(ctx, c.programs.subject, srv.dir)
		return srv, err
	})
}

// startEmpty starts the subject on a new folder each time.
func (c *catalog) startEmpty(ctx context.Context) (figures, error) {
	return c.starts(func() (*server, error) { return c.start(ctx, c.programs.subject) })
}

func (c *catalog) starts(start func() (*server, error)) (figures, error) {
	var f figures
	for range c.size.rounds {
		srv, err := start()
		if err != nil {
			return figures{}, err
		}
		f.samples = append(f.samples, milliseconds(srv.ready))
		if err := srv.stop(); err != nil {
			return figures{}, err
		}
	}
	return f, nil
}
