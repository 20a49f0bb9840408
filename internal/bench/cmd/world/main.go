// Command world makes a big store of small things, in sreg's layout and in the Docker registry's. It
// promises the same content in both, and the same each time. It must not know what it is for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sreg-project/sreg/internal/bench/worlds"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	usual := worlds.Sized(100_000)
	var w worlds.World
	set := flag.NewFlagSet("world", flag.ContinueOnError)
	set.SetOutput(stderr)
	sreg := set.String("sreg", "", "make a store of sreg in this `folder`")
	docker := set.String("docker", "", "make a store of the Docker registry in this `folder`")
	set.IntVar(&w.Blobs, "blobs", usual.Blobs, "how many blobs, garbage among them")
	set.IntVar(&w.Manifests, "manifests", 0, "how many manifests (default a twentieth of the blobs)")
	set.IntVar(&w.Namespaces, "namespaces", 0, "how many namespaces (default a fiftieth of the manifests)")
	set.Float64Var(&w.Garbage, "garbage", usual.Garbage, "the share of the blobs that no manifest names")
	set.Float64Var(&w.Untagged, "untagged", usual.Untagged, "the share of the images that no tag and no index names")
	set.Uint64Var(&w.Seed, "seed", 0, "what tells the content of one world from that of another")
	age := set.Duration("age", 72*time.Hour, "how long ago the newest of it was written")
	if err := set.Parse(args); err != nil {
		return err
	}
	if *sreg == "" && *docker == "" {
		return errors.New("want -sreg FOLDER or -docker FOLDER, or both")
	}
	if w.Manifests == 0 {
		w.Manifests = worlds.Sized(w.Blobs).Manifests
	}
	if w.Namespaces == 0 {
		w.Namespaces = max(w.Manifests/50, 1)
	}
	w.At = time.Now().Add(-*age)
	for _, store := range []struct {
		dir   string
		write func(context.Context, string) (worlds.Stock, error)
	}{{*sreg, w.WriteSreg}, {*docker, w.WriteDocker}} {
		if store.dir == "" {
			continue
		}
		began := time.Now()
		stock, err := store.write(ctx, store.dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: %d blobs (%d garbage), %d manifests (%d untagged), %d links, %d tags, %d referrers, %d namespaces in %.1f s\n",
			store.dir, stock.Blobs, stock.Garbage, stock.Manifests, stock.Untagged,
			stock.Links, stock.Tags, stock.Referrers, stock.Namespaces, time.Since(began).Seconds())
	}
	return nil
}
