package scrub_test

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/storage"
)

// TestATagWithoutItsEntryGetsOne: without it a delete of the manifest would leave the tag.
func TestATagWithoutItsEntryGetsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	for entry, err := range w.store.List(t.Context(), app.String()+"/_manifests/tagged", storage.ListOptions{Deep: true}) {
		w.must(err)
		w.remove(app.String() + "/_manifests/tagged/" + entry.Name)
	}
	report := w.verify(scrub.Options{})
	w.wantCodes(report, scrub.CodeNoTagEntry)
	if got := report.Findings[0]; got.Tag != "v1" || !strings.Contains(got.Means, "leaves the tag") {
		t.Errorf("got %+v, want a finding of the tag", got)
	}
	w.verify(scrub.Options{Repair: true})
	w.wantCodes(w.verify(scrub.Options{}))
	w.check()
}
