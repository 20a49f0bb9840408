package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheAuditLogIsAppendedToAFileOfItsOwn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 2 { // as after a restart
		audit := NewAudit(slog.New(slog.DiscardHandler), nil)
		if err := audit.Open(Audit{File: path}); err != nil {
			t.Fatal(err)
		}
		audit.Logger.Info("decision", "username", "al\nice")
		if err := audit.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^(\{"time":"[^"]+","level":"INFO","msg":"decision","username":"al\\nice"\}\n){2}$`)
	if !want.Match(got) {
		t.Errorf("got %q, want two lines of JSON", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("got mode %v, want it closed to others", info.Mode())
	}
}

func TestAnAuditLogThatCannotBeOpenedIsAMistake(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	audit := NewAudit(slog.New(slog.DiscardHandler), nil)
	defer audit.Close()
	if err := audit.Open(Audit{File: filepath.Join(folder, "audit.log")}); err != nil {
		t.Fatal(err)
	}
	err := audit.Open(Audit{File: filepath.Join(folder, "nowhere", "audit.log")})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that the folder does not exist", err)
	}
	audit.Logger.Info("decision")
	if got := linesOf(t, filepath.Join(folder, "audit.log")); got != 1 {
		t.Errorf("got %d records in the file before, want the one behind the mistake", got)
	}
}

func linesOf(t *testing.T, path string) int {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(content, []byte("\n"))
}

func TestWithoutAFileNoRecordIsMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	audit := NewAudit(slog.New(slog.DiscardHandler), nil)
	for _, cfg := range []Audit{{}, {File: path}, {}} {
		if err := audit.Open(cfg); err != nil {
			t.Fatal(err)
		}
		if got, want := audit.Logger.Enabled(t.Context(), slog.LevelInfo), cfg.File != ""; got != want {
			t.Errorf("got enabled %t with the file %q, want %t", got, cfg.File, want)
		}
		audit.Logger.Info("decision")
	}
	if got := linesOf(t, path); got != 1 {
		t.Errorf("got %d records, want the one that was made while there was a file", got)
	}
}

// TestNoRecordIsLostWhileTheFileIsReplaced moves the file away, as logrotate does, and takes other files.
func TestNoRecordIsLostWhileTheFileIsReplaced(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var complaints bytes.Buffer
	audit := NewAudit(slog.New(slog.NewTextHandler(&complaints, nil)), nil)
	path := func(i int) string { return filepath.Join(folder, fmt.Sprintf("%d.log", i%2)) }
	if err := audit.Open(Audit{File: path(0)}); err != nil {
		t.Fatal(err)
	}
	const writers, records = 4, 500
	var work sync.WaitGroup
	for range writers {
		work.Go(func() {
			for range records {
				audit.Logger.Info("decision")
			}
		})
	}
	total := 0
	for i := range 100 {
		moved := filepath.Join(folder, "moved")
		if err := os.Rename(path(i), moved); err != nil {
			t.Fatal(err)
		}
		if err := audit.Open(Audit{File: path(i + 1)}); err != nil {
			t.Fatal(err)
		}
		total += linesOf(t, moved) // complete: nothing is written to it any more
	}
	work.Wait()
	if err := audit.Close(); err != nil {
		t.Fatal(err)
	}
	total += linesOf(t, path(100))
	if total != writers*records {
		t.Errorf("got %d records in all files, want %d", total, writers*records)
	}
	if complaints.Len() > 0 {
		t.Errorf("got %q", complaints.String())
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }
func (fullDisk) Close() error              { return nil }

func TestLostAuditRecordsAreReportedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		registry := prometheus.NewRegistry()
		audit := NewAudit(slog.New(slog.NewTextHandler(&out, nil)), registry)
		if err := audit.out.use(fullDisk{}); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			audit.Logger.Info("decision")
		}
		time.Sleep(lossEvery) // of the bubble
		audit.Logger.Info("decision")
		want := regexp.MustCompile(`^\S+ level=ERROR msg="audit records lost" module=audit count=1 error="no space left"\n\S+ level=ERROR msg="audit records lost" module=audit count=100 error="no space left"\n$`)
		if !want.Match(out.Bytes()) {
			t.Errorf("got %q, want a match of %q", out.String(), want)
		}
		if got := testutil.ToFloat64(audit.out.counted); got != 101 {
			t.Errorf("got %v counted, want all 101", got)
		}
	})
}

// TestAPreparedAuditLogIsNotWrittenTo: until it is used, records go where they went.
func TestAPreparedAuditLogIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before, after := filepath.Join(dir, "before"), filepath.Join(dir, "after")
	audit := NewAudit(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(audit.Open(Audit{File: before}))
	dropped, err := audit.Prepare(Audit{File: after})
	must(err)
	audit.Logger.Info("one")
	must(dropped.Drop())
	none, err := audit.Prepare(Audit{})
	must(err)
	audit.Logger.Info("two")
	must(none.Drop())
	used, err := audit.Prepare(Audit{File: after})
	must(err)
	must(used.Use())
	audit.Logger.Info("three")
	must(audit.Close())
	for file, want := range map[string]int{before: 2, after: 1} {
		text, err := os.ReadFile(file)
		must(err)
		if got := strings.Count(string(text), "\n"); got != want {
			t.Errorf("%s has %d records, want %d", file, got, want)
		}
	}
}

// TestTheAuditLogFollowsARotation: what is written after the file was moved, or removed, is in a new one.
func TestTheAuditLogFollowsARotation(t *testing.T) {
	t.Parallel()
	for name, rotate := range map[string]func(path string) error{
		"moved":   func(path string) error { return os.Rename(path, path+".1") },
		"removed": os.Remove,
		"replaced": func(path string) error {
			if err := os.Rename(path, path+".1"); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.log")
			audit := NewAudit(slog.New(slog.DiscardHandler), nil)
			defer audit.Close()
			if err := audit.Open(Audit{File: path}); err != nil {
				t.Fatal(err)
			}
			audit.Logger.Info("before")
			if err := rotate(path); err != nil {
				t.Fatal(err)
			}
			audit.out.looked = time.Time{} // a second later
			audit.Logger.Info("after")
			got, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(got), `"msg":"after"`) || strings.Contains(string(got), `"msg":"before"`) {
				t.Errorf("got %q, %v, want what was written after the rotation", got, err)
			}
			if err := errors.Join(os.Rename(path, path+".2"), audit.Reopen()); err != nil {
				t.Fatal(err)
			}
			audit.Logger.Info("once more")
			if got, err := os.ReadFile(path); err != nil || strings.Count(string(got), "\n") != 1 {
				t.Errorf("got %q, %v, want one line after Reopen", got, err)
			}
		})
	}
}

// TestAnAuditLogThatCannotFollowKeepsItsRecords in the file that was moved.
func TestAnAuditLogThatCannotFollowKeepsItsRecords(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	audit := NewAudit(slog.New(slog.NewTextHandler(&log, nil)), nil)
	defer audit.Close()
	if err := audit.Open(Audit{File: filepath.Join(folder, "audit.log")}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder, folder+".moved"); err != nil {
		t.Fatal(err)
	}
	audit.Logger.Info("decision")
	if got, err := os.ReadFile(filepath.Join(folder+".moved", "audit.log")); err != nil || !strings.Contains(string(got), "decision") {
		t.Errorf("got %q, %v, want the record in the file that was moved", got, err)
	}
	if !strings.Contains(log.String(), "cannot be opened anew") || audit.Reopen() == nil {
		t.Errorf("got log %q, want that it says so", log.String())
	}
}
