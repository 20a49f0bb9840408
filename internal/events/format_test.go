package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/events"
)

var update = flag.Bool("update", false, "rewrite the expected messages")

const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// whole is an event that has everything, at a time that is not written in UTC.
func whole(kind events.Kind) events.Event {
	return events.Event{
		ID:        "XKQ3V7WZB2M5N4T6YHRJDCPFGA",
		Time:      time.Date(2026, 3, 1, 13, 0, 0, 120_000_000, time.FixedZone("", 3600)),
		Kind:      kind,
		Namespace: "team/app",
		Tag:       "v1",
		Digest:    digest,
		MediaType: "application/vnd.oci.image.manifest.v1+json",
		Size:      1234,
		Actor:     "anna <a&b>",
		RequestID: "4be1",
	}
}

// bare is an event of a tag that was deleted by nobody who has a name.
func bare() events.Event {
	e := whole(events.Delete)
	return events.Event{ID: e.ID, Time: e.Time, Kind: e.Kind, Namespace: e.Namespace, Tag: e.Tag}
}

func TestMessagesAreThoseOfTheGoldenFiles(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]events.Event{
		"push": whole(events.Push), "delete-tag": bare(),
		"collect": {ID: whole(events.Collect).ID, Time: whole(events.Collect).Time, Kind: events.Collect, Digest: digest, Size: 9},
	} {
		for _, format := range []events.Format{events.CloudEvents, events.Docker} {
			message, err := format.Encode(e, "https://registry.example.org")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+"."+string(format)+".json", message)
		}
	}
}

// golden compares a message, indented, after a line with its media type.
func golden(t *testing.T, name string, m events.Message) {
	t.Helper()
	got := bytes.NewBufferString("// " + m.ContentType + "\n")
	if err := json.Indent(got, m.Body, "", "  "); err != nil {
		t.Fatalf("%s: %v in %s", name, err, m.Body)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s\n(go test -update rewrites it)", name, got, want)
	}
}

func TestEachKindHasAWordOfTheDockerRegistry(t *testing.T) {
	t.Parallel()
	for kind, want := range map[events.Kind]string{
		events.Push: "push", events.Tag: "push", events.Restore: "push",
		events.Delete: "delete", events.Collect: "delete", events.Pull: "pull",
	} {
		message, err := events.Docker.Encode(whole(kind), "")
		if err != nil {
			t.Fatal(err)
		}
		var envelope struct{ Events []struct{ Action string } }
		if err := json.Unmarshal(message.Body, &envelope); err != nil {
			t.Fatal(err)
		}
		if len(envelope.Events) != 1 || envelope.Events[0].Action != want {
			t.Errorf("%s: got %+v, want one event with the action %s", kind, envelope.Events, want)
		}
	}
}

func TestTheSameEventMakesTheSameMessage(t *testing.T) {
	t.Parallel()
	elsewhere := whole(events.Push)
	elsewhere.Time = elsewhere.Time.UTC()
	for _, format := range []events.Format{events.CloudEvents, events.Docker} {
		first, err := format.Encode(whole(events.Push), "here")
		if err != nil {
			t.Fatal(err)
		}
		again, err := format.Encode(elsewhere, "here")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Body, again.Body) {
			t.Errorf("%s: got %s, want %s", format, again.Body, first.Body)
		}
	}
}

func TestAnUnknownFormatIsAnError(t *testing.T) {
	t.Parallel()
	if m, err := events.Format("xml").Encode(whole(events.Push), ""); err == nil {
		t.Errorf("got %s, want an error", m.Body)
	}
}

func TestEachEventHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := events.NewID()
		if id == "" || seen[id] {
			t.Fatalf("got the id %q twice or empty", id)
		}
		seen[id] = true
	}
}
