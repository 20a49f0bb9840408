package bench

import (
	"context"
	"fmt"
)

// pushes are the rows that write. Each server is as old as its row, and large blobs are gone after
// every round, so that a run needs little disk.
type pushes struct {
	*stage
	large *blobs
}

func pushGroup(s *stage) group {
	p := &pushes{stage: s}
	return group{name: "pushes", setUp: p.setUp, rows: []row{
		{"blob-push-100m", "blob push of 100 MiB, synced: CPU of the server", limit{atMost, 0.65, "x Docker registry"}, p.blobVersusPeer},
		{"blob-push-100m-floor", "the same beside hash, write and one sync", limit{shown, 0, "x floor"}, p.blobVersusFloor},
		{"image-push", "small image push, 8 clients, sync: true", limit{atLeast, 4, "x Docker registry"}, p.image},
		{"image-push-unsynced", "small image push, 8 clients, sync: false", limit{atLeast, 8, "x Docker registry"}, p.imageUnsynced},
	}}
}

func (p *pushes) setUp(context.Context) (err error) {
	p.large, err = newBlobs(p.size.largeBlob, 3)
	return err
}

func (p *pushes) blobVersusPeer(ctx context.Context) (figures, error) {
	return p.contest(ctx, p.largeOn(p.programs.subject), p.largeOn(p.programs.peer), byCPU)
}

func (p *pushes) blobVersusFloor(ctx context.Context) (figures, error) {
	return p.contest(ctx, p.largeOn(p.programs.subject), p.largeOn(p.programs.floor), byCPU)
}

// largeOn pushes some large blobs, one by one, to a server of that round.
func (p *pushes) largeOn(of program) side {
	return func(ctx context.Context, _ int) (usage, error) {
		srv, err := p.start(ctx, of)
		if err != nil {
			return usage{}, err
		}
		l := load{clients: oneClient, ops: p.size.largePushes, op: func(c *client, i int) error {
			b, err := p.large.make(uint64(i))
			if err != nil {
				return err
			}
			return c.pushBlob(blobsNamespace, b)
		}}
		small := blobOf(randomBytes(p.size.smallBlob, 4))
		if err := srv.do(ctx, func(c *client) error { return c.pushBlob(blobsNamespace, small) }); err != nil {
			return usage{}, err
		}
		used, err := srv.measure(ctx, l)
		if err != nil {
			return usage{}, err
		}
		return used, p.discard(srv)
	}
}

func (p *pushes) image(ctx context.Context) (figures, error) {
	return p.imagesOn(ctx, p.programs.subject)
}

func (p *pushes) imageUnsynced(ctx context.Context) (figures, error) {
	return p.imagesOn(ctx, p.programs.unsynced)
}

func (p *pushes) imagesOn(ctx context.Context, subject program) (figures, error) {
	ours, err := p.start(ctx, subject)
	if err != nil {
		return figures{}, err
	}
	theirs, err := p.start(ctx, p.programs.peer)
	if err != nil {
		return figures{}, err
	}
	for _, srv := range []*server{ours, theirs} {
		warmUp := pushImages(fewTagsNamespace, "warm-", newImages(p.size.layer, max(p.size.imagePushes/10, 1), 1))
		if _, err := srv.measure(ctx, warmUp); err != nil {
			return figures{}, fmt.Errorf("warm up: %w", err)
		}
	}
	on := func(srv *server) side {
		return func(ctx context.Context, round int) (usage, error) {
			images := newImages(p.size.layer, p.size.imagePushes, uint64(round+1)<<32)
			return srv.measure(ctx, pushImages(fewTagsNamespace, fmt.Sprintf("r%d-", round), images))
		}
	}
	return p.contest(ctx, on(ours), on(theirs), bySpeed)
}
