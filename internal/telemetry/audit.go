package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// AuditLog is a log of its own, for what must be found again: one JSON record a line, all of them,
// whatever the level of the other log. OpenAudit makes one.
type AuditLog struct {
	// Logger is nil in the zero value, which keeps no records.
	Logger *slog.Logger

	file *os.File
}

// OpenAudit opens the file and appends to it. Records that cannot be written are told to report.
func OpenAudit(cfg Audit, report *slog.Logger) (*AuditLog, error) {
	file, err := os.OpenFile(cfg.File, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log.audit.file: %w", err)
	}
	out := &auditWriter{w: file, report: report.With(ModuleKey, "audit")}
	return &AuditLog{Logger: slog.New(slog.NewJSONHandler(out, nil)), file: file}, nil
}

// Close closes the file. One that was never opened has none.
func (a *AuditLog) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// lossEvery is how often lost records are reported.
const lossEvery = time.Minute

// auditWriter tells of records that are lost: slog itself would not.
type auditWriter struct {
	w      io.Writer
	report *slog.Logger

	mu       sync.Mutex
	lost     int       // guarded by mu; since reported
	reported time.Time // guarded by mu
}

// Write is one write of one line, so that lines of several processes do not mix.
func (a *auditWriter) Write(line []byte) (int, error) {
	n, err := a.w.Write(line)
	if err != nil {
		a.lose(err)
	}
	return n, err
}

func (a *auditWriter) lose(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost++
	if now := time.Now(); now.Sub(a.reported) >= lossEvery {
		a.report.Error("audit records lost", "count", a.lost, "error", err)
		a.lost, a.reported = 0, now
	}
}
