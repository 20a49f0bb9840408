package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// leastEphemeral is the smallest store in memory that can hold an image.
const leastEphemeral = bytesize.MiB

// besideStore is the memory that sreg may take beside its store before Go's collector works harder, and the
// share of the store that may be garbage.
const (
	besideStore  = 128 * bytesize.MiB
	garbageShare = 4
)

// ephemeral says whether everything is kept in memory, and how much that may be.
type ephemeral struct {
	on   bool
	size bytesize.Size
}

func (e *ephemeral) addFlags(cmd *cobra.Command) {
	e.size = bytesize.GiB
	cmd.Flags().BoolVar(&e.on, "ephemeral", false, "keep everything in memory until sreg ends, and print how to reach it")
	cmd.Flags().Func("ephemeral-size", "with --ephemeral, keep `SIZE` at most (default "+e.size.String()+")", func(text string) (err error) {
		e.size, err = bytesize.ParseSize(text)
		if err == nil && e.size < leastEphemeral {
			err = fmt.Errorf("want at least %s, got %s", leastEphemeral, text)
		}
		return err
	})
	completeFrom(cmd, "ephemeral-size", "256MiB", "1GiB", "4GiB")
}

// check refuses flags that contradict each other.
func (e ephemeral) check(cmd *cobra.Command) error {
	switch {
	case e.on && cmd.Flags().Changed("data"):
		return &usageError{message: "--ephemeral keeps nothing on disk, and --data names a folder", hint: "leave one of them out"}
	case !e.on && cmd.Flags().Changed("ephemeral-size"):
		return &usageError{message: "--ephemeral-size is how much --ephemeral keeps", hint: "add --ephemeral"}
	}
	return nil
}

// open makes the store, nil if there is none.
func (e ephemeral) open(environ []string) *memory.Store {
	if !e.on {
		return nil
	}
	// What is alive is large here, and the collector would let garbage grow to a multiple of it.
	if !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOMEMLIMIT=") }) {
		debug.SetMemoryLimit(int64(e.size + e.size/garbageShare + besideStore))
	}
	return memory.New(memory.Options{Limit: e.size})
}

// warnings tell what of the config stands aside.
func (e ephemeral) warnings(sources config.Sources) []config.Problem {
	origin, given := sources.Below("storage")
	if !e.on || !given {
		return nil
	}
	return []config.Problem{{Origin: origin, Key: "storage", Message: "is not used: with --ephemeral everything is kept in memory"}}
}

// listen binds the listeners. Where nobody gave an address and the default one is taken, an ephemeral server takes
// any free port.
func (e ephemeral) listen(ctx context.Context, sources config.Sources, opts server.Options) (*server.Server, error) {
	srv, err := bind(ctx, opts)
	if _, given := sources.Below("server.listeners"); !e.on || given || !errors.Is(err, server.ErrInUse) {
		return srv, err
	}
	opts.Config.Listeners = slices.Clone(opts.Config.Listeners)
	opts.Config.Listeners[0].Address = "127.0.0.1:0"
	return bind(ctx, opts)
}

func bind(ctx context.Context, opts server.Options) (*server.Server, error) {
	srv, err := server.New(opts)
	if err == nil {
		err = srv.Listen(ctx)
	}
	if err != nil {
		return nil, err
	}
	return srv, nil
}

// announce tells a shell how to reach the server, and that it is ready. Nothing else is written to the output, so it
// is closed: a shell that waits for the end of it, as $(...) does, goes on.
func (e ephemeral) announce(out IO, bound []server.Bound) {
	if !e.on {
		return
	}
	for _, b := range bound {
		if len(b.Serves) == 0 && b.Addr.Network() != "unix" {
			fmt.Fprintf(out.Out, "export REGISTRY=%s\n", reachable(b.Addr))
			break
		}
	}
	if file, ok := out.Out.(io.Closer); ok && !out.OutIsTerminal {
		_ = file.Close()
	}
}
