// Package telemetry makes the logger and the metrics registry that the other parts are given.
// It promises that a record below the level of its module costs next to nothing, that a record of a
// request carries the request's id, and that text for people keeps to one line a record.
// It must not know any word of a registry: what is logged and counted is for those who do it.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// ModuleKey is the attribute whose value chooses the level: logger.With("module", "storage").
const ModuleKey = "module"

// New returns a logger that writes to w, as text for people if isTerminal says that they read it and
// as JSON for machines else, unless the config chooses.
func New(w io.Writer, isTerminal bool, cfg LogConfig) (*slog.Logger, error) {
	levels, lowest, err := parseLevels(cfg)
	if err != nil {
		return nil, err
	}
	out, err := newWriter(w, isTerminal, cfg.Format, lowest)
	if err != nil {
		return nil, err
	}
	return slog.New(&handler{out: out, level: levels[""], levels: levels}), nil
}

// parseLevels returns the level of each module, that of all others under the empty name, and the
// lowest of them all.
func parseLevels(cfg LogConfig) (levels map[string]slog.Level, lowest slog.Level, err error) {
	if err := lowest.UnmarshalText([]byte(cfg.Level)); err != nil {
		return nil, 0, fmt.Errorf("log level: %w", err)
	}
	levels = map[string]slog.Level{"": lowest}
	for module, text := range cfg.Modules {
		var level slog.Level
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return nil, 0, fmt.Errorf("log level of module %s: %w", module, err)
		}
		levels[module] = level
		lowest = min(lowest, level)
	}
	return levels, lowest, nil
}

func newWriter(w io.Writer, isTerminal bool, format string, level slog.Level) (slog.Handler, error) {
	if format == "auto" || format == "" {
		format = "json"
		if isTerminal {
			format = "text"
		}
	}
	switch format {
	case "json":
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}), nil
	case "text":
		return newConsole(w, level), nil
	default:
		return nil, fmt.Errorf("log format: want auto, text or json, got %q", format)
	}
}

// handler filters by module and adds the request id. The level is found when a logger gets its
// module, not when it logs, so that a record that is filtered costs one comparison.
type handler struct {
	out    slog.Handler
	level  slog.Level
	levels map[string]slog.Level // never changes
}

// Enabled compares with the level of the module.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level
}

// Handle adds the request id that rides in the context.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r = r.Clone() // the caller's record may share its attributes with others
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.out.Handle(ctx, r)
}

// WithAttrs takes the level of the module that the attributes name.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &handler{out: h.out.WithAttrs(attrs), level: h.level, levels: h.levels}
	for _, a := range attrs {
		if a.Key != ModuleKey {
			continue
		}
		next.level = h.levels[""]
		if level, ok := h.levels[a.Value.String()]; ok {
			next.level = level
		}
	}
	return next
}

// WithGroup keeps the level.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{out: h.out.WithGroup(name), level: h.level, levels: h.levels}
}
