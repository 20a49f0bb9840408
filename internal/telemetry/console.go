package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// console writes records for people: `15:04:05 WARN  message key=value`. The attributes are those of
// slog's own text, which quotes whatever could break the line or steer a terminal. A record with an attribute that has
// a line of its own for people, by a method Line, is that line alone.
type console struct {
	attrs slog.Handler // writes what is beside time, level and message to page.attrs
	page  *page
}

// page is what all handlers of one console share.
type page struct {
	w     io.Writer
	mu    sync.Mutex               // guards what follows
	paint func(word string) string // the first word of a record's own line; nil: as it is
	line  []byte
	attrs bytes.Buffer
}

func newConsole(w io.Writer) *console {
	p := &page{w: w}
	return &console{page: p, attrs: slog.NewTextHandler(&p.attrs, &slog.HandlerOptions{ReplaceAttr: withoutHead})}
}

// withoutHead drops the attributes that stand at the head of the line.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// Enabled is true: whoever gives it records has chosen them.
func (c *console) Enabled(context.Context, slog.Level) bool { return true }

func (c *console) Handle(ctx context.Context, r slog.Record) error {
	p := c.page
	p.mu.Lock()
	defer p.mu.Unlock()
	if line, ok := lineOf(r); ok {
		if first, rest, more := strings.Cut(line, " "); more && p.paint != nil {
			line = p.paint(first) + " " + rest
		}
		p.line = append(appendHead(p.line[:0], r, line), '\n')
		_, err := p.w.Write(p.line)
		return err
	}
	p.attrs.Reset()
	if err := c.attrs.Handle(ctx, r); err != nil {
		return err
	}
	p.line = appendHead(p.line[:0], r, r.Message)
	if p.attrs.Len() > len("\n") {
		p.line = append(p.line, ' ')
	}
	p.line = append(p.line, p.attrs.Bytes()...)
	_, err := p.w.Write(p.line) // under the lock, which guards the line
	return err
}

// lineOf is what a record has for people in place of its message and all attributes.
func lineOf(r slog.Record) (line string, ok bool) {
	r.Attrs(func(a slog.Attr) bool {
		var liner interface{ Line() string }
		if liner, ok = a.Value.Any().(interface{ Line() string }); ok {
			line = printable(liner.Line())
		}
		return !ok
	})
	return line, ok
}

// printable escapes what could break a line or steer a terminal.
func printable(s string) string {
	if strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func appendHead(line []byte, r slog.Record, message string) []byte {
	if !r.Time.IsZero() {
		line = r.Time.AppendFormat(line, time.TimeOnly+" ")
	}
	return fmt.Appendf(line, "%-5s %s", r.Level, message)
}

func (c *console) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &console{attrs: c.attrs.WithAttrs(attrs), page: c.page}
}

func (c *console) WithGroup(name string) slog.Handler {
	return &console{attrs: c.attrs.WithGroup(name), page: c.page}
}
