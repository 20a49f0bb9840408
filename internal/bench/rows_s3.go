package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// The names of what is pushed to S3.
const (
	s3BlobsNamespace = "bench/s3"
	s3ImageNamespace = "bench/s3image"
)

// onS3 is the rows about one S3 service that both contestants keep their objects on.
type onS3 struct {
	*stage
	service  *server
	ours     *server
	theirs   *server
	buckets  int // pairs that were made
	image    image
	pushed   map[int]figures // the pushes by the size of their blobs, which the row about memory asks for, too
	memories map[int]figures
}

func s3Group(s *stage) group {
	o := &onS3{stage: s, pushed: map[int]figures{}, memories: map[int]figures{}}
	return group{name: "s3", setUp: o.setUp, rows: []row{
		{"s3-push-64k", "push of blobs of 64 KiB, 16 clients", limit{atLeast, 1.2, "x Docker registry"}, o.pushSmall},
		{"s3-push-8m", "push of blobs of 8 MiB, 16 clients, upload_memory: 64MiB", limit{atLeast, 1.2, "x Docker registry"}, o.pushMedium},
		{"s3-memory-64k", "peak RSS during the pushes of 64 KiB, most of which is the program itself", limit{shown, 0, "x Docker registry"}, o.memorySmall},
		{"s3-memory-8m", "peak RSS during the pushes of 8 MiB", limit{atMost, 0.5, "x Docker registry"}, o.memoryMedium},
		{"s3-requests-push", "requests to S3 for a push of a small image", limit{atMost, 0.5, "x Docker registry"}, o.requestsOfPush},
		{"s3-requests-pull", "requests to S3 for its first pull, with redirects", limit{atMost, 0.5, "x Docker registry"}, o.requestsOfPull},
		{"s3-pull-redirect", "blob pull of 64 KiB, 16 clients: to the redirect", limit{atMost, 1, "x Docker registry"}, o.pullRedirect},
		{"s3-pull-stream", "the same without redirects: to the last byte", limit{shown, 0, "x Docker registry"}, o.pullStream},
		{"s3-manifest-get", "manifest GET by tag, metadata on S3", limit{atMost, 1.5, "x sreg on a disk"}, o.manifestBesideDisk},
		{"s3-manifest-peer", "the same beside the Docker registry", limit{shown, 0, "x Docker registry"}, o.manifestBesidePeer},
		{"s3-parallel-push", "50 parallel pushes of 100 MiB: peak RSS", limit{atMost, s3ParallelLimit, "MB above idle"}, o.parallelPushes},
	}}
}

// s3ParallelLimit is upload_memory as it is by default, 512 MiB, and 64 MB for everything else: what a push to
// a disk may take. Two parts of 16 MiB for each of 50 would be 1,678 MB.
const s3ParallelLimit = 537 + 64

// s3Memory is upload_memory of all rows but that one: room for seven blobs of 8 MiB, so that the pushes of 16
// clients show both what memory costs and what it costs to do with less.
const s3Memory = "64MiB"

func (o *onS3) setUp(ctx context.Context) (err error) {
	o.image = newImage(o.size.layer, 21)
	if o.service, err = o.start(ctx, s3Program(o.opts.S3)); err != nil {
		return err
	}
	at, err := o.newBuckets()
	if err != nil {
		return err
	}
	o.ours, o.theirs, err = o.startBoth(ctx, at)
	return err
}

// newBuckets are two new buckets, one for each contestant. A bucket is a folder of the service, and one that is
// served by a process is not shared with another one.
func (o *onS3) newBuckets() (at [2]s3Bucket, err error) {
	o.buckets++
	for i, side := range []string{"ours", "theirs"} {
		at[i] = s3Bucket{address: o.service.addr, bucket: fmt.Sprintf("%s-%d", side, o.buckets), redirect: true, memory: s3Memory}
		if err := os.MkdirAll(filepath.Join(o.service.dir, at[i].bucket), 0o700); err != nil {
			return at, fmt.Errorf("make a bucket: %w", err)
		}
	}
	return at, nil
}

// startBoth starts the contestants.
func (o *onS3) startBoth(ctx context.Context, at [2]s3Bucket) (ours, theirs *server, err error) {
	if ours, err = o.start(ctx, subjectOnS3(o.opts, at[0])); err != nil {
		return nil, nil, err
	}
	theirs, err = o.start(ctx, peerS3Program(o.opts.Peer, at[1]))
	return ours, theirs, err
}

func (o *onS3) pushSmall(ctx context.Context) (figures, error) {
	return o.push(ctx, o.size.s3Small, o.size.s3SmallPushes)
}

func (o *onS3) pushMedium(ctx context.Context) (figures, error) {
	return o.push(ctx, o.size.s3Medium, o.size.s3MediumPushes)
}

func (o *onS3) memorySmall(ctx context.Context) (figures, error) {
	return o.memory(ctx, o.size.s3Small, o.size.s3SmallPushes)
}

func (o *onS3) memoryMedium(ctx context.Context) (figures, error) {
	return o.memory(ctx, o.size.s3Medium, o.size.s3MediumPushes)
}

// push lets both sides take turns at blobs of one size, and keeps what memory they took.
func (o *onS3) push(ctx context.Context, size, ops int) (figures, error) {
	contents, err := newBlobs(size, 22+uint64(size))
	if err != nil {
		return figures{}, err
	}
	var peaks [2][]float64
	on := func(srv *server, of int) side {
		return func(ctx context.Context, round int) (usage, error) {
			if err := srv.resetPeak(); err != nil {
				return usage{}, err
			}
			used, err := srv.measure(ctx, o.pushes(contents, ops, uint64(round+1)<<32))
			if err != nil {
				return usage{}, err
			}
			peak, err := srv.peak()
			peaks[of] = append(peaks[of], megabytes(peak))
			return used, err
		}
	}
	for _, srv := range []*server{o.ours, o.theirs} {
		if _, err := srv.measure(ctx, o.pushes(contents, max(ops/10, 1), 1)); err != nil {
			return figures{}, fmt.Errorf("warm up: %w", err)
		}
	}
	o.pushed[size], err = o.contest(ctx, on(o.ours, 0), on(o.theirs, 1), bySpeed)
	o.memories[size] = peaksOf(peaks[0], peaks[1])
	return o.pushed[size], err
}

func (o *onS3) pushes(contents *blobs, ops int, from uint64) load {
	return load{clients: s3Clients, ops: ops, op: func(c *client, i int) error {
		b, err := contents.make(from + uint64(i))
		if err != nil {
			return err
		}
		return c.pushBlob(s3BlobsNamespace, b)
	}}
}

func peaksOf(ours, theirs []float64) figures {
	var f figures
	for i := range ours {
		f.samples = append(f.samples, ours[i]/max(theirs[i], 1))
	}
	f.detail = fmt.Sprintf("%s MB : %s MB", number(median(ours)), number(median(theirs)))
	return f
}

// memory is what push saw; when that row was not selected it pushes first.
func (o *onS3) memory(ctx context.Context, size, ops int) (figures, error) {
	if _, done := o.pushed[size]; !done {
		if _, err := o.push(ctx, size, ops); err != nil {
			return figures{}, err
		}
	}
	return o.memories[size], nil
}

// counted are the contestants with a counter before the service for each. Their caches are cold.
type counted struct {
	servers  []*server
	counters []*counter
}

func (o *onS3) startCounted(ctx context.Context, at [2]s3Bucket) (c counted, end func(), err error) {
	for i := range at {
		c.counters = append(c.counters, newCounter(o.service.addr))
		at[i].address = c.counters[i].address()
	}
	end = func() {
		for _, srv := range c.servers {
			_ = srv.stop() // what cannot be ended softly is killed
		}
		for _, counter := range c.counters {
			counter.Close()
		}
	}
	ours, theirs, err := o.startBoth(ctx, at)
	if err != nil {
		end()
		return counted{}, nil, err
	}
	c.servers = []*server{ours, theirs}
	return c, end, nil
}

// count runs something for each image, and says what one asked of the service.
func (c counted) count(ctx context.Context, images []image, do func(c *client, i int, img image) error) (figures, error) {
	var each []float64
	for n, srv := range c.servers {
		before := c.counters[n].requests.Load()
		_, err := srv.measure(ctx, load{clients: oneClient, ops: len(images), op: func(c *client, i int) error {
			return do(c, i, images[i])
		}})
		if err != nil {
			return figures{}, err
		}
		each = append(each, float64(c.counters[n].requests.Load()-before)/float64(len(images)))
	}
	return figures{
		samples: []float64{each[0] / max(each[1], 1)},
		detail:  fmt.Sprintf("%s requests : %s requests", number(each[0]), number(each[1])),
	}, nil
}

func (o *onS3) countedImages() []image { return newImages(o.size.layer, o.size.s3Counted, 4<<32) }

func pushCounted(c *client, i int, img image) error {
	return c.pushImage(s3ImageNamespace, tagName(i), img)
}

// pullCounted pulls an image as clients do that are sent to the service for blobs. They ask it nothing here.
func pullCounted(c *client, i int, img image) error {
	if _, err := c.do(get(manifestPath(s3ImageNamespace, tagName(i))), nil); err != nil {
		return err
	}
	for _, b := range []blob{img.config, img.layer} {
		if _, err := c.do(redirected(blobPath(s3ImageNamespace, b.digest)), nil); err != nil {
			return err
		}
	}
	return nil
}

// redirected is a GET that is answered with where a blob lies.
func redirected(path string) request {
	req := get(path)
	req.want = http.StatusTemporaryRedirect
	return req
}

func (o *onS3) requestsOfPush(ctx context.Context) (figures, error) {
	at, err := o.newBuckets()
	if err != nil {
		return figures{}, err
	}
	c, end, err := o.startCounted(ctx, at)
	if err != nil {
		return figures{}, err
	}
	defer end()
	// The first push into a namespace is another one: it is not what is repeated.
	if _, err := c.count(ctx, newImages(o.size.layer, 1, 5<<32), pushCounted); err != nil {
		return figures{}, err
	}
	return c.count(ctx, o.countedImages(), pushCounted)
}

// requestsOfPull pulls what was pushed by other processes.
func (o *onS3) requestsOfPull(ctx context.Context) (figures, error) {
	images := o.countedImages()
	at, err := o.newBuckets()
	if err != nil {
		return figures{}, err
	}
	ours, theirs, err := o.startBoth(ctx, at)
	if err != nil {
		return figures{}, err
	}
	for _, srv := range []*server{ours, theirs} {
		err := srv.do(ctx, func(c *client) error {
			for i, img := range images {
				if err := pushCounted(c, i, img); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(err, srv.stop()); err != nil {
			return figures{}, err
		}
	}
	c, end, err := o.startCounted(ctx, at)
	if err != nil {
		return figures{}, err
	}
	defer end()
	return c.count(ctx, images, pullCounted)
}

func (o *onS3) pullRedirect(ctx context.Context) (figures, error) {
	pulled, err := o.pushOne(ctx, o.ours, o.theirs)
	if err != nil {
		return figures{}, err
	}
	l := repeat(s3Clients, o.size.s3Pulls, redirected(pulled))
	return o.compare(ctx, timed{o.ours, l}, timed{o.theirs, l}, byWall)
}

func (o *onS3) pullStream(ctx context.Context) (figures, error) {
	at, err := o.newBuckets()
	if err != nil {
		return figures{}, err
	}
	at[0].redirect, at[1].redirect = false, false
	ours, theirs, err := o.startBoth(ctx, at)
	if err != nil {
		return figures{}, err
	}
	pulled, err := o.pushOne(ctx, ours, theirs)
	if err != nil {
		return figures{}, err
	}
	l := repeat(s3Clients, o.size.s3Pulls, get(pulled))
	f, err := o.compare(ctx, timed{ours, l}, timed{theirs, l}, byWall)
	if err != nil {
		return figures{}, err
	}
	for _, srv := range []*server{ours, theirs} {
		if err := o.discard(srv); err != nil {
			return figures{}, err
		}
	}
	return f, nil
}

// pushOne pushes a blob of 64 KiB and returns its path.
func (o *onS3) pushOne(ctx context.Context, servers ...*server) (path string, err error) {
	b := blobOf(randomBytes(o.size.s3Small, 23))
	for _, srv := range servers {
		if err := srv.do(ctx, func(c *client) error { return c.pushBlob(s3BlobsNamespace, b) }); err != nil {
			return "", err
		}
	}
	return blobPath(s3BlobsNamespace, b.digest), nil
}

// manifestBesideDisk compares the same sreg on a bucket and on a folder.
func (o *onS3) manifestBesideDisk(ctx context.Context) (figures, error) {
	disk, err := o.start(ctx, o.programs.subject)
	if err != nil {
		return figures{}, err
	}
	f, err := o.manifestGets(ctx, disk)
	if err != nil {
		return figures{}, err
	}
	return f, o.discard(disk)
}

func (o *onS3) manifestBesidePeer(ctx context.Context) (figures, error) {
	return o.manifestGets(ctx, o.theirs)
}

func (o *onS3) manifestGets(ctx context.Context, beside *server) (figures, error) {
	for _, srv := range []*server{o.ours, beside} {
		err := srv.do(ctx, func(c *client) error { return c.pushImage(fewTagsNamespace, tagName(0), o.image) })
		if err != nil {
			return figures{}, err
		}
	}
	// What changed less than a second ago is not kept.
	time.Sleep(o.size.settle)
	path := manifestPath(fewTagsNamespace, tagName(0))
	// The Docker registry asks the service each time, so that as many requests would take minutes.
	ours := repeat(s3Clients, o.size.s3Gets, get(path))
	theirs := ours
	if beside == o.theirs {
		theirs.ops = o.size.s3Pulls
	}
	return o.compare(ctx, timed{o.ours, ours}, timed{beside, theirs}, byWall)
}

func (o *onS3) parallelPushes(ctx context.Context) (figures, error) {
	large, err := newBlobs(o.size.largeBlob, 24)
	if err != nil {
		return figures{}, err
	}
	at, err := o.newBuckets()
	if err != nil {
		return figures{}, err
	}
	at[0].memory = "512MiB" // the default
	srv, err := o.start(ctx, subjectOnS3(o.opts, at[0]))
	if err != nil {
		return figures{}, err
	}
	m := &memory{stage: o.stage}
	f, err := m.peakOf(ctx, srv, func(c *client, i int) error {
		b, err := large.make(uint64(i))
		if err != nil {
			return err
		}
		return c.pushBlob(s3BlobsNamespace, b)
	})
	if err != nil {
		return figures{}, err
	}
	return f, o.discard(srv)
}
