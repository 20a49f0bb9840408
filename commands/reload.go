package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
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
	refused string         // why the last config was refused; empty: it was not
}

// signalled receives a signal. Before somebody looks at what came it ends nothing.
func signalled(by os.Signal) (came chan os.Signal, stop func()) {
	came = make(chan os.Signal, 1)
	signal.Notify(came, by)
	return came, func() { signal.Stop(came) }
}

// reopenWhen opens the audit log anew at each signal, until ctx ends: its file was moved.
func reopenWhen(ctx context.Context, came <-chan os.Signal, audit *telemetry.AuditLog, logger *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-came:
			if err := audit.Reopen(); err != nil {
				logger.Error("the audit log is not opened anew: records go where they went", "error", err)
			}
		}
	}
}

// start begins to take configs; end waits until that has ended.
func (r *reloader) start(ctx context.Context, asked <-chan os.Signal) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		r.run(ctx, asked)
	}()
	return func() {
		cancel()
		<-done
	}
}

// run takes another config whenever a file of it is another one, and when a signal asks for it, until ctx ends. What was
// refused is tried again: what it needs may have come meanwhile.
func (r *reloader) run(ctx context.Context, asked <-chan os.Signal) {
	for _, file := range r.sources.Files {
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			r.logger.WarnContext(ctx, "the config is not read again, because it is no regular file", "file", file)
			return
		}
	}
	w := watch.New(watched)
	defer closing(r.logger, "end the watch of files", w.Close)
	if len(r.sources.Files) > 0 {
		if next, err := config.Reload(r.options(), r.running); err != nil || len(next.Changes) > 0 {
			r.seen[r.sources.Files[0]] = "has changed before it was looked at"
		}
	}
	for {
		waiting, cancel := context.WithCancel(ctx)
		if r.refused != "" {
			cancel()
			waiting, cancel = context.WithTimeout(ctx, watched.Poll)
		}
		_ = w.Wait(waiting, r.seen, asked)
		cancel()
		if ctx.Err() != nil {
			return
		}
		r.reload(ctx)
	}
}

// reload reads the files and serves what they say, or says what is wrong with it and serves what it served.
func (r *reloader) reload(ctx context.Context) {
	begun := time.Now()
	next, changed, err := r.read()
	if errors.Is(err, errUnsettled) {
		return
	}
	if err == nil {
		err = r.take(ctx, next)
	}
	if errors.Is(err, snapshot.ErrDraining) || ctx.Err() != nil {
		return
	}
	if err != nil {
		r.refuse(err)
		r.renew(ctx, changed)
		return
	}
	r.refused = ""
	waiting := 0
	for _, c := range next.Changes {
		if c.Restart {
			waiting++
		}
	}
	r.metrics.Taken(next.Hash(), waiting)
	for _, w := range next.Warnings(next.Sources, r.from.compiler, time.Now()) {
		r.logger.WarnContext(ctx, "the config can be served, and is likely not meant", "problem", w.String())
	}
	keys := []string{}
	for _, c := range next.Changes {
		if c.Restart {
			r.logger.WarnContext(ctx, "a change needs a restart", "key", c.Key, "old", c.Old, "new", c.New)
			continue
		}
		keys = append(keys, c.Key)
	}
	r.logger.InfoContext(ctx, "config reloaded", "keys", keys, "files", changed, "need_restart", waiting, "duration_ms", time.Since(begun).Milliseconds())
}

// options are those of the start, with the files that were read then: what was found and is gone is not the defaults.
func (r *reloader) options() config.Options {
	opts := r.from.options(r.io)
	opts.Files = r.sources.Files
	return opts
}

// errUnsettled says that files are being written while they are read.
var errUnsettled = errors.New("the files are being written")

// read loads the config again, and tells which files are not what they were. What panics in it is wrong: it is read in a
// server that has to go on.
func (r *reloader) read() (next config.Reloaded, changed []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while the config was read: %v\n%s", p, debug.Stack())
		}
	}()
	before := r.seen
	files := r.files(config.Reloaded{})
	for range 2 { // once more with the files that it names now
		r.seen = watch.At(files)
		next, err = config.Reload(r.options(), r.running)
		named := r.files(next)
		now := watch.At(named)
		if len(now.Changed(r.seen)) == 0 {
			return next, r.seen.Changed(before), err
		}
		files = named
	}
	return next, nil, errUnsettled
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
func (r *reloader) take(ctx context.Context, next config.Reloaded) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while the config was built: %v\n%s", p, debug.Stack())
		}
	}()
	audit, err := r.audit.Prepare(next.Log.Audit) // also when it is the same: a rotation may have renamed it
	if err != nil {
		return err
	}
	if err := r.live.Replace(ctx, next.Config); err != nil {
		return errors.Join(placed(err, next.Sources), audit.Drop())
	}
	r.running, r.sources = next.Config, next.Sources
	closing(r.logger, "change the audit log", audit.Use)
	closing(r.logger, "change the log", func() error { return r.log.Replace(next.Log) })
	return nil
}

// renew reads again the certificates and users of the config that serves, if one of them has changed, and opens its audit
// log again: a mistake in a config must keep neither a certificate until it has expired nor a log that was rotated.
func (r *reloader) renew(ctx context.Context, changed []string) {
	if r.running.Log.Audit.File != "" {
		closing(r.logger, "open the audit log again", func() error { return r.audit.Open(r.running.Log.Audit) })
	}
	for _, file := range r.running.Files(r.sources) {
		if slices.Contains(r.sources.Files, file) || !slices.Contains(changed, file) {
			continue
		}
		if err := r.live.Replace(ctx, r.running); err != nil && placed(err, r.sources).Error() != r.refused { // which is told
			r.logger.ErrorContext(ctx, "files of the config before could not be read again", "error", err)
		}
		return
	}
}

// refuse says what is wrong, each mistake in a line with its place, once.
func (r *reloader) refuse(err error) {
	r.metrics.Refused()
	if r.refused == err.Error() {
		return
	}
	r.refused = err.Error()
	var known *config.Error
	if !errors.As(err, &known) {
		r.logger.Error("config refused, and all is served as before", "error", err)
		return
	}
	for _, p := range known.Problems {
		r.logger.Error("config refused, and all is served as before", "problem", p.String())
	}
}
