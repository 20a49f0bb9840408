package server

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"slices"
	"strings"
)

// newErrorLog takes what net/http complains about. What clients do wrong is nothing that an operator
// can act on.
func newErrorLog(logger *slog.Logger) *log.Logger {
	return log.New(errorWriter{logger}, "", 0)
}

type errorWriter struct{ logger *slog.Logger }

func (w errorWriter) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	level := slog.LevelWarn
	if beginsWithAny(text, "http: TLS handshake error", "http2: ", "http: URL query contains semicolon") {
		level = slog.LevelDebug
	}
	w.logger.LogAttrs(context.Background(), level, "http server", slog.String("error", text))
	return len(line), nil
}

func beginsWithAny(text string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}
