package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
)

func TestTheFirstWordOfALineForPeopleHasAColour(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := New(&out, true, LogConfig{Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	log.Paint(func(word string) string { return "<" + word + ">" })
	log.Logger.Info("request", "", lined{"200 GET /a"})
	log.Logger.Info("200 is", "no", "line of its own")
	if want := regexp.MustCompile(`^\S+ INFO  <200> GET /a\n\S+ INFO  200 is no="line of its own"\n$`); !want.MatchString(out.String()) {
		t.Errorf("got %q, want %s", out.String(), want)
	}
}

// lined is an attribute that has a line of its own for people.
type lined struct{ text string }

func (l lined) Line() string         { return l.text }
func (l lined) LogValue() slog.Value { return slog.GroupValue(slog.String("text", l.text)) }

func TestNew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		isTerminal bool
		cfg        LogConfig
		log        func(*slog.Logger)
		want       string // a regular expression for the whole output
	}{
		{
			name: "a machine reads JSON",
			log:  func(l *slog.Logger) { l.Info("started", "port", 5000) },
			want: `\{"time":"[^"]+","level":"INFO","msg":"started","port":5000\}\n`,
		},
		{
			name:       "people read one short line",
			isTerminal: true,
			log:        func(l *slog.Logger) { l.Info("started", "port", 5000) },
			want:       `\d\d:\d\d:\d\d INFO  started port=5000\n`,
		},
		{
			name:       "a line without attributes ends with its message",
			isTerminal: true,
			log:        func(l *slog.Logger) { l.Error("broken") },
			want:       `\d\d:\d\d:\d\d ERROR broken\n`,
		},
		{
			name:       "a value cannot break the line or steer the terminal",
			isTerminal: true,
			log:        func(l *slog.Logger) { l.Warn("odd", "name", "a\nb\x1b[2J") },
			want:       `\d\d:\d\d:\d\d WARN  odd name="a\\nb\\x1b\[2J"\n`,
		},
		{
			name:       "a record may have a line for people",
			isTerminal: true,
			log:        func(l *slog.Logger) { l.With("module", "http").Info("request", "", lined{"GET /a"}) },
			want:       `\d\d:\d\d:\d\d INFO  GET /a\n`,
		},
		{
			name:       "which cannot break or steer either",
			isTerminal: true,
			log:        func(l *slog.Logger) { l.Info("request", "", lined{"a\nb\x1b[2J"}) },
			want:       `\d\d:\d\d:\d\d INFO  a\\nb\\x1b\[2J\n`,
		},
		{
			name: "and attributes for machines",
			log:  func(l *slog.Logger) { l.Info("request", "", lined{"GET /a"}) },
			want: `\{"time":"[^"]+","level":"INFO","msg":"request","text":"GET /a"\}\n`,
		},
		{
			name:       "the config may want JSON on a terminal",
			isTerminal: true,
			cfg:        LogConfig{Format: "json"},
			log:        func(l *slog.Logger) { l.Info("started") },
			want:       `\{.*\}\n`,
		},
		{
			name: "the config may want text elsewhere",
			cfg:  LogConfig{Format: "text"},
			log:  func(l *slog.Logger) { l.Info("started") },
			want: `\d\d:\d\d:\d\d INFO  started\n`,
		},
		{
			name: "below the level nothing is written",
			cfg:  LogConfig{Level: "warn", Format: "text"},
			log:  func(l *slog.Logger) { l.Info("started"); l.Warn("slow") },
			want: `\S+ WARN  slow\n`,
		},
		{
			name: "a module may say more than the others",
			cfg:  LogConfig{Format: "text", Modules: map[string]string{"storage": "debug"}},
			log: func(l *slog.Logger) {
				l.Debug("one")
				l.With(ModuleKey, "storage").Debug("two")
				l.With(ModuleKey, "server").Debug("three")
				l.With(ModuleKey, "storage").With(ModuleKey, "server").Debug("four")
			},
			want: `\S+ DEBUG two module=storage\n`,
		},
		{
			name: "a module may say less than the others",
			cfg:  LogConfig{Format: "text", Modules: map[string]string{"storage": "error"}},
			log: func(l *slog.Logger) {
				l.With(ModuleKey, "storage").Warn("one")
				l.Warn("two")
			},
			want: `\S+ WARN  two\n`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if tt.cfg.Level == "" {
				tt.cfg.Level = "info"
			}
			log, err := New(&out, tt.isTerminal, tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			tt.log(log.Logger)
			if !regexp.MustCompile(`^(?:` + tt.want + `)$`).MatchString(out.String()) {
				t.Errorf("got %q, want a match of %q", out.String(), tt.want)
			}
		})
	}
}

func TestNewRefusesUnknownWords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  LogConfig
		want string
	}{
		{name: "a level", cfg: LogConfig{Level: "loud"}, want: "log level: "},
		{name: "a level of a module", cfg: LogConfig{Level: "info", Modules: map[string]string{"storage": "loud"}}, want: "log level of module storage: "},
		{name: "a format", cfg: LogConfig{Level: "info", Format: "xml"}, want: "log format: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(io.Discard, false, tt.cfg)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that begins with %q", err, tt.want)
			}
		})
	}
}

func TestLoggersThatWereHandedOutGoByWhatIsReplaced(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := New(&out, true, LogConfig{Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	storage, plain := log.Logger.With(ModuleKey, "storage").WithGroup("g"), log.Logger
	tests := []struct {
		name string
		cfg  LogConfig
		want string // a regular expression for the whole output
	}{
		{"all of it is as it was made", LogConfig{Level: "info"}, ``},
		{
			"a lower level counts for all",
			LogConfig{Level: "debug"},
			`\S+ DEBUG plain a=1\n\S+ DEBUG read module=storage g.a=1\n`,
		},
		{
			"one of a module counts for it",
			LogConfig{Level: "info", Modules: map[string]string{"storage": "debug"}},
			`\S+ DEBUG read module=storage g.a=1\n`,
		},
		{"one of another module does not", LogConfig{Level: "info", Modules: map[string]string{"server": "debug"}}, ``},
		{
			"the format is another one",
			LogConfig{Level: "debug", Format: "json"},
			`\{"time":"[^"]+","level":"DEBUG","msg":"plain","a":1\}\n\{"time":"[^"]+","level":"DEBUG","msg":"read","module":"storage","g":\{"a":1\}\}\n`,
		},
		{"a module may say less", LogConfig{Level: "debug", Modules: map[string]string{"storage": "error"}}, `\S+ DEBUG plain a=1\n`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out.Reset()
			if err := log.Replace(tt.cfg); err != nil {
				t.Fatal(err)
			}
			plain.Debug("plain", "a", 1)
			storage.Debug("read", "a", 1)
			if !regexp.MustCompile(`^(?:` + tt.want + `)$`).MatchString(out.String()) {
				t.Errorf("got %q, want a match of %q", out.String(), tt.want)
			}
		})
	}
	if err := log.Replace(LogConfig{Level: "loud"}); err == nil {
		t.Error("got no error for a level that is none")
	}
	if plain.Enabled(t.Context(), slog.LevelDebug) != true {
		t.Error("the level is another one after a change that failed")
	}
}

func TestLevelsAndFormatAreReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := New(&out, false, LogConfig{Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 500 {
				log.Logger.With(ModuleKey, "storage").Info("read", "a", 1)
			}
		})
	}
	for i := range 100 {
		cfg := LogConfig{Level: "info", Format: []string{"json", "text"}[i%2], Modules: map[string]string{"storage": "debug"}}
		if err := log.Replace(cfg); err != nil {
			t.Error(err)
		}
	}
	work.Wait()
	line := regexp.MustCompile(`^(\S+ INFO  read module=storage a=1|\{"time":"[^"]+","level":"INFO","msg":"read","module":"storage","a":1\})\n$`)
	count := 0
	for text := range strings.Lines(out.String()) {
		count++
		if !line.MatchString(text) {
			t.Fatalf("got the line %q", text)
		}
	}
	if count != 2000 {
		t.Errorf("got %d lines, want 2000", count)
	}
}

func TestHandlerKeepsTheContractOfSlog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := New(&out, false, LogConfig{Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	err = slogtest.TestHandler(log.Logger.Handler(), func() []map[string]any {
		var records []map[string]any
		for line := range bytes.Lines(out.Bytes()) {
			var record map[string]any
			if err := json.Unmarshal(line, &record); err != nil {
				t.Fatal(err)
			}
			records = append(records, record)
		}
		return records
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDebugThatIsOffAllocatesNothing(t *testing.T) {
	logger := newBenchLogger(t)
	if got := testing.AllocsPerRun(100, func() { logDebug(t.Context(), logger) }); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

func BenchmarkDebugOff(b *testing.B) {
	logger := newBenchLogger(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		logDebug(ctx, logger)
	}
}

func logDebug(ctx context.Context, logger *slog.Logger) {
	logger.LogAttrs(ctx, slog.LevelDebug, "read", slog.String("key", "a/b"), slog.Int64("bytes", 5))
}

func newBenchLogger(tb testing.TB) *slog.Logger {
	tb.Helper()
	log, err := New(io.Discard, false, LogConfig{Level: "info", Modules: map[string]string{"other": "debug"}})
	if err != nil {
		tb.Fatal(err)
	}
	return log.Logger.With(ModuleKey, "storage")
}
