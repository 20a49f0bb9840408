package bench

import (
	"cmp"
	"time"
)

// sizes are the numbers behind the words of the table: how many tags are many, how many operations
// make a round. A round has a fixed number of operations, enough for the 10 ms ticks of /proc.
type sizes struct {
	rounds     int
	fewTags    int
	manyTags   int
	mostTags   int
	namespaces int
	referrers  int
	page       int

	smallBlob  int
	smallBlobs int
	largeBlob  int
	layer      int

	gets        int // small requests a round
	largeGets   int
	largePushes int
	imagePushes int
	pages       int // cheap listings a round
	walks       int // listings that cost what is stored, a round
	parallel    int // pushers and pullers at once

	worldBlobs    int // what collectors are compared over
	largeWorld    int // blobs, too: what a collector must have the memory for
	gcRate        int
	besidePushes  int // a batch
	besideBatches int // before a collector runs, and again after it

	s3Small, s3Medium             int // sizes of blobs
	s3SmallPushes, s3MediumPushes int // a round
	s3Pulls                       int // a round, of what the service is asked about
	s3Gets                        int // a round, of what is kept
	s3Counted                     int // images

	settle time.Duration // over the second that a folder stands still before its listing may be kept
	idle   time.Duration // after which a server counts as idle
	left   time.Duration // after which it has given back what it does not need
}

func newSizes(opts Options) sizes {
	if opts.Short {
		return sizes{
			rounds: 1, fewTags: 2, manyTags: 12, mostTags: 20, namespaces: 12, referrers: 5, page: 10,
			smallBlob: 16 << 10, smallBlobs: 4, largeBlob: 1 << 20, layer: 4 << 10,
			gets: 64, largeGets: 2, largePushes: 1, imagePushes: 4, pages: 4, walks: 2, parallel: 4,
			worldBlobs: cmp.Or(opts.World, 300), largeWorld: cmp.Or(opts.LargeWorld, 600), gcRate: cmp.Or(opts.CollectRate, defaultRate),
			besidePushes: 4, besideBatches: 1,
			s3Small: 8 << 10, s3Medium: 64 << 10, s3SmallPushes: 4, s3MediumPushes: 2, s3Pulls: 8, s3Gets: 64, s3Counted: 2,
			settle: time.Millisecond, idle: time.Millisecond, left: time.Millisecond,
		}
	}
	return sizes{
		rounds: max(opts.Rounds, 1), fewTags: 5, manyTags: 10_000, mostTags: 100_000, namespaces: 5_000, referrers: 500, page: 100,
		smallBlob: 16 << 10, smallBlobs: 64, largeBlob: 100 << 20, layer: 16 << 10,
		gets: 20_000, largeGets: 20, largePushes: 4, imagePushes: 200, pages: 1_000, walks: 10, parallel: 50,
		worldBlobs: cmp.Or(opts.World, 100_000), largeWorld: cmp.Or(opts.LargeWorld, 1_000_000), gcRate: cmp.Or(opts.CollectRate, defaultRate),
		besidePushes: 50, besideBatches: 20,
		s3Small: 64 << 10, s3Medium: 8 << 20, s3SmallPushes: 240, s3MediumPushes: 32, s3Pulls: 500, s3Gets: 10_000, s3Counted: 20,
		settle: 1500 * time.Millisecond, idle: time.Second, left: time.Minute,
	}
}

// defaultRate is how many objects a second the collector may look at beside pushes that should not notice it.
const defaultRate = 5000

// Clients of a row: enough to keep two cores busy, as many as the table says where it says so.
const (
	oneClient   = 1
	someClients = 8
	manyClients = 32
	s3Clients   = 16
)
