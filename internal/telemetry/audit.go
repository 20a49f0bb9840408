package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"
)

// AuditLog is a log of its own, for what must be found again: one JSON record a line, all of them,
// whatever the level of the other log. It keeps no records until Open says where.
type AuditLog struct {
	Logger *slog.Logger

	out *auditWriter
}

// NewAudit makes an audit log. Records that cannot be written are told to report, and counted.
func NewAudit(report *slog.Logger, registerer prometheus.Registerer) *AuditLog {
	out := &auditWriter{report: report.With(ModuleKey, "audit"), losses: rate.Sometimes{Interval: lossEvery}}
	out.counted = promauto.With(registerer).NewCounter(prometheus.CounterOpts{
		Name: "sreg_audit_records_lost_total", Help: "Audit records that could not be written.",
	})
	return &AuditLog{Logger: slog.New(auditHandler{slog.NewJSONHandler(out, nil), out}), out: out}
}

// Open appends to the file of cfg from now on, and closes the one before. Without a file no records are
// kept. It may be called while records are written; after an error they go where they went before.
func (a *AuditLog) Open(cfg Audit) error {
	prepared, err := a.Prepare(cfg)
	if err != nil {
		return err
	}
	return prepared.Use()
}

// Reopen opens the file anew: somebody has moved the one before. After an error records go where they went before.
func (a *AuditLog) Reopen() error {
	a.out.mu.Lock()
	defer a.out.mu.Unlock()
	return a.out.reopen()
}

// Prepared is an audit log that is open and not yet written to.
type Prepared struct {
	out  *auditWriter
	file *os.File // nil: no records are kept
}

// Prepare opens the file of cfg, which Use begins to write to, or Drop closes.
func (a *AuditLog) Prepare(cfg Audit) (*Prepared, error) {
	if cfg.File == "" {
		return &Prepared{out: a.out}, nil
	}
	file, err := openAudit(cfg.File)
	if err != nil {
		return nil, fmt.Errorf("log.audit.file: %w", err)
	}
	return &Prepared{out: a.out, file: file}, nil
}

func openAudit(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}

// Use writes to it from now on, and closes the file before.
func (p *Prepared) Use() error {
	if p.file == nil {
		return p.out.use(nil)
	}
	return p.out.use(p.file)
}

// Drop closes it, if it will not be written to.
func (p *Prepared) Drop() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// Close closes the file. No records are kept from then on.
func (a *AuditLog) Close() error { return a.out.use(nil) }

// auditHandler lets no record be made that is not kept.
type auditHandler struct {
	slog.Handler
	out *auditWriter
}

func (h auditHandler) Enabled(context.Context, slog.Level) bool { return h.out.kept.Load() }

const (
	// lossEvery is how often lost records are reported.
	lossEvery = time.Minute
	// rotationEvery is how often it is looked whether somebody has moved the file.
	rotationEvery = time.Second
)

// auditWriter writes to the file of the moment, and reports records that are lost: slog itself would not.
type auditWriter struct {
	report  *slog.Logger
	counted prometheus.Counter // all that were lost
	kept    atomic.Bool        // file is not nil

	mu     sync.Mutex // guards what follows, and is held for each write, so that no file is closed under it
	file   io.WriteCloser
	lost   int // since that was reported
	losses rate.Sometimes
	looked time.Time // when it was last looked whether the file was moved
}

// use replaces the file, which may be nil.
func (a *auditWriter) use(file io.WriteCloser) error {
	a.mu.Lock()
	before := a.file
	a.file = file
	a.kept.Store(file != nil)
	a.mu.Unlock()
	if before == nil {
		return nil
	}
	if err := before.Close(); err != nil {
		return fmt.Errorf("close the audit log before: %w", err)
	}
	return nil
}

// Write is one write of one line, so that lines of several processes do not mix.
func (a *auditWriter) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return len(line), nil
	}
	a.follow(time.Now())
	n, err := a.file.Write(line)
	if err != nil {
		a.lose(err)
	}
	return n, err
}

// follow opens the file anew if its path leads elsewhere, as it does after a rotation; mu is held.
func (a *auditWriter) follow(now time.Time) {
	file, ok := a.file.(*os.File)
	if !ok || now.Sub(a.looked) < rotationEvery {
		return
	}
	a.looked = now
	there, err := os.Stat(file.Name())
	opened, of := file.Stat()
	if err == nil && of == nil && os.SameFile(there, opened) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := a.reopen(); err != nil {
		a.losses.Do(func() {
			a.report.Error("the audit log was moved, and cannot be opened anew: records go to the file that was moved", "error", err)
		})
	}
}

// reopen opens the path of the file anew, and closes the file before; mu is held.
func (a *auditWriter) reopen() error {
	before, ok := a.file.(*os.File)
	if !ok {
		return nil // no records are kept
	}
	file, err := openAudit(before.Name())
	if err != nil {
		return err
	}
	a.file = file
	return before.Close()
}

// lose counts a record that was not written; mu is held.
func (a *auditWriter) lose(err error) {
	a.counted.Inc()
	a.lost++
	a.losses.Do(func() {
		a.report.Error("audit records lost", "count", a.lost, "error", err)
		a.lost = 0
	})
}
