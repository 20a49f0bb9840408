package access

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrUnaudited is a request of which no record can be kept, where there must be one.
var ErrUnaudited = errors.New("no record of the request can be kept")

// Audit keeps records of what was decided about requests. The zero value keeps none.
type Audit struct {
	Logger *slog.Logger
	// Required says that a request of which no record can be kept is refused.
	Required bool
}

// Keeps says whether records are kept at all.
func (a Audit) Keeps(ctx context.Context) bool {
	return a.Logger != nil && a.Logger.Enabled(ctx, slog.LevelInfo)
}

// Keep keeps one record. The error is ErrUnaudited, and only where records are required.
func (a Audit) Keep(ctx context.Context, message string, attrs ...slog.Attr) error {
	record := slog.NewRecord(time.Now(), slog.LevelInfo, message, 0)
	record.AddAttrs(attrs...)
	// A Logger would not say whether it was written.
	if err := a.Logger.Handler().Handle(ctx, record); err != nil && a.Required {
		return ErrUnaudited
	}
	return nil
}
