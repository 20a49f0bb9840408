// Package telemetry makes the logger and the metrics registry that the other parts are given.
// It promises that a record below the level of its module costs next to nothing, that levels, format and
// audit file can be replaced while others log, and that text for people keeps to one line a record.
// It must not know any word of a registry: what is logged and counted is for those who do it.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
)

// ModuleKey is the attribute whose value chooses the level: logger.With("module", "storage").
const ModuleKey = "module"

// Log is the log of the program. Replace changes also the loggers that were made from Logger before.
type Log struct {
	Logger *slog.Logger

	settings *settings
	page     *page
}

// New returns a log that writes to w, as text for people if isTerminal says that they read it and
// as JSON for machines else, unless the config chooses.
func New(w io.Writer, isTerminal bool, cfg LogConfig) (*Log, error) {
	s := &settings{isTerminal: isTerminal, modules: map[string]*slog.LevelVar{}}
	if err := s.replace(cfg); err != nil {
		return nil, err
	}
	w = &lockedWriter{w: w}
	// The handler decides about levels: those below it write all that they are given.
	text := newConsole(w)
	h := &handler{settings: s, level: s.levelOf(""), text: text, json: slog.NewJSONHandler(w, nil)}
	return &Log{Logger: slog.New(h), settings: s, page: text.page}, nil
}

// Paint gives the first word of each line that a record has for people a colour: what paint makes of it.
func (l *Log) Paint(paint func(word string) string) {
	l.page.mu.Lock()
	defer l.page.mu.Unlock()
	l.page.paint = paint
}

// Replace changes levels and format. After an error they are as before.
func (l *Log) Replace(cfg LogConfig) error { return l.settings.replace(cfg) }

// lockedWriter keeps the lines of both formats apart.
type lockedWriter struct {
	mu sync.Mutex // held for each write
	w  io.Writer
}

func (l *lockedWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(line)
}

// settings are what all loggers of a Log go by.
type settings struct {
	isTerminal bool
	asJSON     atomic.Bool

	mu      sync.Mutex                // guards what follows
	levels  map[string]slog.Level     // of the config: by module, and that of all others under the empty name
	modules map[string]*slog.LevelVar // of the modules that have a logger
}

func (s *settings) replace(cfg LogConfig) error {
	levels, err := parseLevels(cfg)
	if err != nil {
		return err
	}
	asJSON, err := s.wantsJSON(cfg.Format)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.levels = levels
	for module, level := range s.modules {
		level.Set(s.configured(module))
	}
	s.asJSON.Store(asJSON)
	return nil
}

func parseLevels(cfg LogConfig) (map[string]slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	levels := map[string]slog.Level{"": level}
	for module, text := range cfg.Modules {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("log level of module %s: %w", module, err)
		}
		levels[module] = level
	}
	return levels, nil
}

func (s *settings) wantsJSON(format string) (bool, error) {
	switch format {
	case "auto", "":
		return !s.isTerminal, nil
	case "json", "text":
		return format == "json", nil
	default:
		return false, fmt.Errorf("log format: want auto, text or json, got %q", format)
	}
}

// configured is the level that the config has for a module; mu is held.
func (s *settings) configured(module string) slog.Level {
	if level, ok := s.levels[module]; ok {
		return level
	}
	return s.levels[""]
}

// levelOf is the level of a module, also after a change of the config.
func (s *settings) levelOf(module string) *slog.LevelVar {
	s.mu.Lock()
	defer s.mu.Unlock()
	level, ok := s.modules[module]
	if !ok {
		level = new(slog.LevelVar)
		level.Set(s.configured(module))
		s.modules[module] = level
	}
	return level
}

// handler filters by module and chooses the format. The level is looked up when a logger gets its module,
// not when it logs, so that a record that is filtered costs one comparison.
type handler struct {
	settings   *settings
	level      *slog.LevelVar
	text, json slog.Handler
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.settings.asJSON.Load() {
		return h.json.Handle(ctx, r)
	}
	return h.text.Handle(ctx, r)
}

// WithAttrs takes the level of the module that the attributes name.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.text, next.json = h.text.WithAttrs(attrs), h.json.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == ModuleKey {
			next.level = h.settings.levelOf(a.Value.String())
		}
	}
	return &next
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.text, next.json = h.text.WithGroup(name), h.json.WithGroup(name)
	return &next
}
