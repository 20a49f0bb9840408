package telemetry

import (
	"context"
	"fmt"
	"io"
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

// Prepared is an audit log that is open and not yet written to.
type Prepared struct {
	out  *auditWriter
	file io.WriteCloser // nil: no records are kept
}

// Prepare opens the file of cfg, which Use begins to write to, or Drop closes.
func (a *AuditLog) Prepare(cfg Audit) (*Prepared, error) {
	if cfg.File == "" {
		return &Prepared{out: a.out}, nil
	}
	file, err := os.OpenFile(cfg.File, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log.audit.file: %w", err)
	}
	return &Prepared{out: a.out, file: file}, nil
}

// Use writes to it from now on, and closes the file before.
func (p *Prepared) Use() error { return p.out.use(p.file) }

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

// lossEvery is how often lost records are reported.
const lossEvery = time.Minute

// auditWriter writes to the file of the moment, and reports records that are lost: slog itself would not.
type auditWriter struct {
	report  *slog.Logger
	counted prometheus.Counter // all that were lost
	kept    atomic.Bool        // file is not nil

	mu     sync.Mutex // guards what follows, and is held for each write, so that no file is closed under it
	file   io.WriteCloser
	lost   int // since that was reported
	losses rate.Sometimes
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
	n, err := a.file.Write(line)
	if err != nil {
		a.lose(err)
	}
	return n, err
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
