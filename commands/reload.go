package commands

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/telemetry"
	"github.com/sreg-project/sreg/internal/watch"
)

// watched is how files are watched: editors write in several steps, and a poll reads all files, which are few and small.
var watched = watch.Options{Settle: 100 * time.Millisecond, Poll: 10 * time.Second}

// reloader lets a server that serves take another config.
type reloader struct {
	from    source
	io      IO
	live    *snapshot.Live
	log     *telemetry.Log
	audit   *telemetry.AuditLog
	metrics *telemetry.Reloads
	logger  *slog.Logger

	running *config.Config // that serves
	sources config.Sources // of it
	seen    watch.Look     // the files when they were last read
}

// start begins to take configs; end waits until that has ended.
func (r *reloader) start(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		r.run(ctx, asked)
	}()
	return func() {
		signal.Stop(asked)
		cancel()
		<-done
	}
}

// run takes another config whenever a file of it is another one, and when a signal asks for it, until ctx ends.
func (r *reloader) run(ctx context.Context, asked <-chan os.Signal) {
	w := watch.New(watched)
	defer closing(r.logger, "end the watch of files", w.Close)
	if next, changed, err := r.read(); err != nil || len(next.Changes)+len(changed) > 0 {
		r.reload(ctx, next, changed, err) // the files have changed while the server started
	}
	for w.Wait(ctx, r.seen, asked) == nil {
		next, changed, err := r.read()
		r.reload(ctx, next, changed, err)
	}
}

// reload serves what was read, or says what is wrong with it and serves what it served.
func (r *reloader) reload(ctx context.Context, next config.Reloaded, changed []string, err error) {
	begun := time.Now()
	if err == nil {
		err = placed(r.take(ctx, next), next.Sources)
	}
	if errors.Is(err, snapshot.ErrDraining) || ctx.Err() != nil {
		return
	}
	if err != nil {
		r.refuse(err)
		r.renew(ctx, changed)
		return
	}
	for _, w := range next.Warnings(next.Sources, r.from.compiler, time.Now()) {
		r.logger.Warn("the config can be served, and is likely not meant", "problem", w.String())
	}
	keys, waiting := []string{}, 0
	for _, c := range next.Changes {
		if c.Restart {
			waiting++
			r.logger.Warn("a change needs a restart", "key", c.Key, "old", c.Old, "new", c.New)
			continue
		}
		keys = append(keys, c.Key)
	}
	r.metrics.Taken(next.Hash(), waiting)
	r.logger.Info("config reloaded", "keys", keys, "files", changed, "need_restart", waiting, "duration_ms", time.Since(begun).Milliseconds())
}

// read loads the config again. A file that another process writes meanwhile is read once more: it is not what was seen.
func (r *reloader) read() (next config.Reloaded, changed []string, err error) {
	before := r.seen
	opts := r.from.options(r.io)
	opts.Files = r.sources.Files // the same ones: what was found once and is gone is not the defaults
	for files := r.files(config.Reloaded{}); ; {
		seen := watch.At(files)
		next, err = config.Reload(opts, r.running)
		named := r.files(next)
		if len(watch.At(named).Changed(seen)) == 0 {
			r.seen = seen
			return next, seen.Changed(before), err
		}
		files = named
	}
}

// files are those to watch: of the config that serves, and of the one that was read now.
func (r *reloader) files(next config.Reloaded) []string {
	files := r.running.Files(r.sources)
	if next.Config != nil {
		files = append(files, next.Files(next.Sources)...)
	}
	return files
}

// take serves another config. After an error all is as before.
func (r *reloader) take(ctx context.Context, next config.Reloaded) error {
	if err := r.audit.Open(next.Log.Audit); err != nil { // also when it is the same: a rotation may have renamed it
		return err
	}
	if err := r.live.Replace(ctx, next.Config); err != nil {
		return errors.Join(err, r.audit.Open(r.running.Log.Audit))
	}
	r.running, r.sources = next.Config, next.Sources
	return r.log.Replace(next.Log)
}

// renew reads again the certificates and users of the config that serves, if one of them has changed: a mistake in a
// config must not keep a certificate until it has expired.
func (r *reloader) renew(ctx context.Context, changed []string) {
	for _, file := range r.running.Files(r.sources) {
		if slices.Contains(r.sources.Files, file) || !slices.Contains(changed, file) {
			continue
		}
		if err := r.live.Replace(ctx, r.running); err != nil {
			r.logger.Error("files of the config before could not be read again", "error", err)
		}
		return
	}
}

// refuse says what is wrong, each mistake in a line with its place.
func (r *reloader) refuse(err error) {
	r.metrics.Refused()
	var known *config.Error
	if !errors.As(err, &known) {
		r.logger.Error("config refused, and all is served as before", "error", err)
		return
	}
	for _, p := range known.Problems {
		r.logger.Error("config refused, and all is served as before", "problem", p.String())
	}
}
