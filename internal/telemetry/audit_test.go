package telemetry

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheAuditLogIsAppendedToAFileOfItsOwn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 2 { // as after a restart
		audit, err := OpenAudit(Audit{File: path}, slog.New(slog.DiscardHandler))
		if err != nil {
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
	_, err := OpenAudit(Audit{File: filepath.Join(t.TempDir(), "nowhere", "audit.log")}, slog.New(slog.DiscardHandler))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that the folder does not exist", err)
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestLostAuditRecordsAreReportedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		audit := slog.New(slog.NewJSONHandler(&auditWriter{w: fullDisk{}, report: slog.New(slog.NewTextHandler(&out, nil))}, nil))
		for range 100 {
			audit.Info("decision")
		}
		time.Sleep(lossEvery) // of the bubble
		audit.Info("decision")
		want := regexp.MustCompile(`^\S+ level=ERROR msg="audit records lost" count=1 error="no space left"\n\S+ level=ERROR msg="audit records lost" count=100 error="no space left"\n$`)
		if !want.Match(out.Bytes()) {
			t.Errorf("got %q, want a match of %q", out.String(), want)
		}
	})
}
