package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	goio "io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/httpapi"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/telemetry"
	"github.com/sreg-project/sreg/internal/watch"
)

func newServe(io IO) *cobra.Command {
	var from source
	var ephemeral ephemeral
	cmd := &cobra.Command{
		Use:        "serve",
		SuggestFor: []string{"start", "run", "server"},
		Short:      "Serve the registry",
		Long: "Serve the registry until SIGTERM or SIGINT; then finish what runs and end.\n" +
			"A second signal ends it at once.\n\n" +
			"A change of the config, or of a file that it names, is served at once; SIGHUP reads all\n" +
			"again. What is wrong is refused and logged, and all is served as before.\n\n" +
			"Without -c the config is looked for as sreg.yaml, .yml, .toml or .json in the working\n" +
			"directory, the user's config folder and /etc/sreg. Flags stand over the environment\n" +
			"(SREG_...), which stands over files, which stand over defaults.\n\n" +
			"With --ephemeral nothing is kept on disk: everything is gone when sreg ends. If port 5000\n" +
			"is taken and no address was given, any free one is chosen. When it is ready, the one line\n" +
			"export REGISTRY=HOST:PORT goes to the standard output, for a shell to evaluate; what comes\n" +
			"beyond --ephemeral-size is answered as by a full disk." + exitCodes,
		Example: "  sreg serve\n" +
			"  sreg serve --address 127.0.0.1:5001 --data /var/lib/sreg\n" +
			"  sreg serve -c /etc/sreg/sreg.yaml -c local.yaml --log-level debug\n" +
			"  eval \"$(sreg serve --ephemeral 2>sreg.log & echo server=$!)\"",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := ephemeral.check(cmd); err != nil {
				return err
			}
			return runServe(cmd.Context(), io, from, ephemeral)
		},
	}
	from.addFlags(cmd)
	from.overrideFlag(cmd, "address", "server.listeners", "listen on `HOST:PORT` alone, instead of the config's listeners", oneListener)
	from.overrideFlag(cmd, "log-level", "log.level", "log from `LEVEL` up: debug, info, warn or error", plain)
	ephemeral.addFlags(cmd)
	completeFrom(cmd, "address", "127.0.0.1:5000")
	completeFrom(cmd, "log-level", "debug", "info", "warn", "error")
	return cmd
}

// oneListener is the list of listeners that --address stands for, in JSON.
func oneListener(address string) string {
	text, _ := json.Marshal([]map[string]string{{"name": "main", "address": address}}) // texts: never fails
	return string(text)
}

// runServe puts a server together, in the order in which it can still be refused without a trace,
// and takes it apart in reverse.
func runServe(ctx context.Context, io IO, from source, ephemeral ephemeral) error {
	spareCollector(io.Environ)
	defer giveBackWhenIdle()()
	cfg, sources, err := from.load(io)
	if err != nil {
		return err
	}
	seen := watch.At(cfg.Files(sources))
	var asked chan os.Signal // an ephemeral server ends with its terminal
	if !ephemeral.on {
		var stop func()
		asked, stop = signalled(syscall.SIGHUP)
		defer stop()
	}
	io.warnOf(append(cfg.Warnings(sources, from.compiler, time.Now()), ephemeral.warnings(sources)...))
	log, err := telemetry.New(io.Err, io.ErrIsTerminal, cfg.Log)
	if err != nil {
		return err
	}
	log.Paint(io.errColours().status)
	logger := log.Logger
	var end ending
	defer end.log(logger)
	build := currentBuild()
	metrics := telemetry.NewMetrics(build)

	// The one trace that a refused start may leave: what is built below writes into it.
	audit := telemetry.NewAudit(logger, metrics)
	if err := audit.Open(cfg.Log.Audit); err != nil {
		return err
	}
	defer closing(logger, "close the audit log", audit.Close)
	moved, stop := signalled(syscall.SIGUSR1)
	defer stop()
	go reopenWhen(ctx, moved, audit, logger.With(telemetry.ModuleKey, "audit")) // ends with ctx

	shared := snapshot.NewShared(snapshot.SharedOptions{
		Logger: logger, OnTerminal: io.ErrIsTerminal, Metrics: metrics, Version: build.Version, Audit: audit.Logger,
		Holder: holder(time.Now()), Compiler: from.compiler, Memory: ephemeral.open(io.Environ), First: from.firstOf,
	})
	defer shared.Close()
	live, err := snapshot.Open(ctx, cfg, shared, newClaims(io, logger))
	if err != nil {
		return refused(err, sources)
	}
	defer closing(logger, "close stores", live.Close)

	srv, err := ephemeral.listen(ctx, sources, server.Options{
		Config: cfg.Server, Logger: logger.With(telemetry.ModuleKey, "server"), Metrics: server.NewMetrics(metrics),
		Unlimited: []string{"/healthz", "/health", "/readyz", "/metrics"},
		OnDrain: func() {
			end.begun = time.Now()
			live.Drain()
		},
		OnCut: func(requests int64) { end.cutOff = requests },
	})
	if err != nil {
		return err
	}
	if err := live.Serve(srv); err != nil {
		return err
	}
	printStart(io.Err, start{first: live.Snapshot().First, build: build, config: cfg, sources: sources, folders: io.ConfigFolders, roots: live.Snapshot().Roots(), bound: srv.Bound()})
	ephemeral.announce(io, srv.Bound())
	if err := live.Snapshot().Registry.Ready(ctx); err != nil && ctx.Err() == nil {
		logger.Warn("not ready: pushes are refused", "error", err)
	}
	reload := reloader{
		from: from, io: io, live: live, log: log, audit: audit, logger: logger.With(telemetry.ModuleKey, "config"),
		metrics: telemetry.NewReloads(metrics, cfg.Hash()), running: cfg, sources: sources, seen: seen,
	}
	defer reload.start(ctx, asked)()
	return srv.Serve(ctx)
}

// firstOf is what a newcomer may do by a config that is built, of which all that is wrong is told elsewhere.
func (s *source) firstOf(cfg *config.Config) httpapi.First {
	rules, err := cfg.Rules(s.compiler)
	if err != nil {
		return httpapi.First{}
	}
	l := loaded{cfg: cfg, rules: rules}
	known, err := l.users(IO{Err: goio.Discard})
	if err != nil {
		return httpapi.First{}
	}
	return l.first(known)
}

// ending is how a server ended.
type ending struct {
	begun  time.Time // zero if it has not served
	cutOff int64     // requests
}

// log says the last word of a server: that nothing of it is left.
func (e *ending) log(logger *slog.Logger) {
	if !e.begun.IsZero() {
		logger.Info("stopped", "duration_ms", time.Since(e.begun).Milliseconds(), "requests_cut_off", e.cutOff)
	}
}

// refused is why a server does not begin.
func refused(err error, sources config.Sources) error {
	var claimed *snapshot.ClaimedError
	if errors.As(err, &claimed) {
		return refuseClaimed(claimed)
	}
	return withDataHint(placed(err, sources))
}

// closing closes something at the end, when nobody waits for its error.
func closing(logger *slog.Logger, what string, closer func() error) {
	if err := closer(); err != nil {
		logger.Error("shut down", "error", fmt.Errorf("%s: %w", what, err))
	}
}
