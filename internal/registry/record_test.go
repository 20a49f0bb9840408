package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestARecordIsALineBeforeItsContent(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "x", "\n", "two\nlines\n", strings.Repeat("long", 10)} {
		packed, err := packRecord(revisionRecord{MediaType: "a/b", By: "two\nlines"}, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		var record revisionRecord
		got, err := unpackRecord(packed, &record)
		if err != nil || string(got) != content || record.MediaType != "a/b" || record.By != "two\nlines" {
			t.Errorf("%q comes back as %+v and %q, %v", content, record, got, err)
		}
	}
	for _, damage := range []string{"", "{}", "{\n", "null", `{"digest":"sha256:00"}` + "\n"} {
		if _, err := unpackRecord([]byte(damage), new(trashRecord)); err == nil {
			t.Errorf("%q is read as a record", damage)
		}
	}
}

// TestDamageIsNoMistakeOfTheClient: its cause is only text, so that no error of a digest looks like one of a request.
func TestDamageIsNoMistakeOfTheClient(t *testing.T) {
	t.Parallel()
	cause := errors.New("a bad digest")
	err := damaged("a/key", cause)
	if !errors.Is(err, ErrDamaged) || errors.Is(err, cause) || err.Error() != "damaged record: a/key: a bad digest" {
		t.Errorf("got %v", err)
	}
	if again := damaged("another/key", err); again.Error() != err.Error() {
		t.Errorf("what is damaged is damaged once more: %v", again)
	}
}

// TestARestoreByAnEarlierVersionCountsAsAPush: its record has no time of a push before it.
func TestARestoreByAnEarlierVersionCountsAsAPush(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	old := fmt.Appendf(nil, `{"digest":"sha256:%064x","media_type":"a","size":1,"pushed_at":"2026-11-24T12:00:00Z","nonce":"n","restored_at":"2026-11-24T12:00:00Z"}`, 1)
	record, err := parseTagRecord(old)
	if err != nil || !record.RestoredAt.Equal(at) || !record.LastPush().Equal(at) {
		t.Errorf("got %+v, %v, want a last push at %s", record, err, at)
	}
}
