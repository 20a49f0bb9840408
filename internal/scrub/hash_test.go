package scrub_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/scrub"
)

// TestTheRateBoundsWhatIsHashed goes by the clock of its bubble, which stands still while bytes are hashed.
func TestTheRateBoundsWhatIsHashed(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	for rate, want := range map[int64]time.Duration{0: 0, size: time.Second, size / 10: 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.pushBlob(app, strings.Repeat("x", size))
			begun := time.Now()
			report := w.verify(scrub.Options{Rate: rate})
			if took := time.Since(begun); took > want || took < want*9/10 {
				t.Errorf("%d bytes at %d a second took %s, want %s", size, rate, took, want)
			}
			if report.Bytes != size {
				t.Errorf("got %d bytes hashed, want %d", report.Bytes, size)
			}
		})
	}
}

func TestABlobIsReadTwiceBeforeItIsCalledCorrupt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const content = "some content"
	w.flip(blobKey(w.pushBlob(app, content)))
	report := w.verify(scrub.Options{})
	w.wantCodes(report, scrub.CodeCorruptBlob)
	if report.Bytes != 2*int64(len(content)) {
		t.Errorf("got %d bytes hashed, want %d twice", report.Bytes, len(content))
	}
}
